"""Pictures of temperaments: their fifths and thirds, how they beat, how chords drift.

Like `coconet.plots`, without pyplot and without a screen. Colours are those of Okabe and
Ito; what has a colour has a mark or a stroke of its own too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator

from coconet.checks import number, whole
from coconet.errors import ChoraleError, shown
from coconet.grid import items_of
from coconet.intonation import Adapted
from coconet.plots import WIDTH, Picture, as_written
from coconet.purity import CIRCLE, CONSONANCES, PURE, deviations_from_just, just_cents
from coconet.theory import NAMES
from coconet.tuning import Tuning, load_tuning, parse_pitch_class, tuning_names

#: Each interval by semitones: its name, colour, mark and the mark's size. What is drawn
#: later is smaller, so that marks in one place are all seen.
INTERVALS = {
    7: ("fifths 3:2", "#0072B2", "o", 11),
    4: ("major thirds 5:4", "#D55E00", "s", 7.5),
    3: ("minor thirds 6:5", "#009E73", "^", 5.5),
}
BAR, INK, FAINT, BAND = "#56B4E9", "#222222", "#999999", "#eeeeee"
#: A colour and a stroke a line where several pieces drift in one picture.
LINES = (("#0072B2", "-"), ("#D55E00", "--"), ("#009E73", "-."), ("#CC79A7", ":"))
#: From pale to dark: how far from pure.
IMPURE = "YlOrBr"
#: Cents at which the darkest colour stands, a little more than a Pythagorean third.
DARKEST = 30.0
#: The partials that are looked at lie within this many of their distance, or Hz.
REACH, LEAST_REACH = 3.0, 8.0
#: Sound shorter than this shows no beats, in seconds.
SHORTEST = 0.25
#: Beside the loudest partial of all, one quieter than this can't be heard: 70 dB.
SILENT = 10 ** (-70 / 20)


def temperament_figure(
    tuning: str | Path | Tuning, tonic: int | str | None = None, *, title: str | None = None
) -> Picture:
    """One temperament: each note's distance from equal, and how pure its intervals are.

    Above, cents from equal temperament at the same pitch standard; below, how much wider
    than just the fifths and thirds above each note are, around the circle of fifths, with
    dashed lines where equal temperament has them.

    Parameters
    ----------
    tuning : as `tuning.load_tuning` takes it
    tonic : pitch class, or name, of its degree 0; by default where its keyboard mapping
        puts it, else C
    """
    loaded = load_tuning(tuning)
    place = (loaded.tonic or 0) if tonic is None else parse_pitch_class(tonic)
    cents = loaded.deviations(place)
    figure = Picture(figsize=(9.5, 6.6), layout="constrained")
    upper, lower = figure.subplots(2, 1, height_ratios=(1, 1.7))
    _draw_notes(upper, cents - cents[loaded.reference_key % 12])
    _draw_circle(lower, cents)
    figure.align_ylabels()
    lower.set_xlabel("the interval above this note, around the circle of fifths")
    figure.legend(
        *lower.get_legend_handles_labels(), loc="outside lower center", ncols=5, frameon=False,
        fontsize=9,
    )  # fmt: skip
    heading = f"{loaded.name} on {NAMES[place]}"
    if loaded.description:
        heading += f": {loaded.description}"
    figure.suptitle(heading if title is None else title, fontsize=11)
    return figure


def temperaments_figure(
    tunings: Iterable[str | Path | Tuning] | None = None,
    tonic: int | str | None = None,
    *,
    title: str | None = None,
) -> Picture:
    """Several temperaments side by side: their major thirds and fifths as heatmaps.

    Parameters
    ----------
    tunings : by default all of the project
    tonic : on which all stand; by default C, but where a keyboard mapping says otherwise
    """
    listed = items_of(tuning_names() if tunings is None else tunings)
    if not listed:
        raise ChoraleError(f"tunings: expected a list of at least one, got {shown(tunings)}")
    loaded = [load_tuning(tuning) for tuning in listed]
    cents = np.array([each.deviations(tonic) for each in loaded])
    figure = Picture(figsize=(9.5, 1.9 + 0.56 * len(loaded)), layout="constrained")
    axes = figure.subplots(2, 1, sharex=True)
    for ax, semitones in zip(axes, (4, 7), strict=True):
        image = _draw_map(ax, deviations_from_just(cents, semitones)[:, list(CIRCLE)])
        ax.set_yticks(range(len(loaded)), [each.name for each in loaded])
        ax.set_title(INTERVALS[semitones][0], loc="left")
    axes[0].tick_params(labelbottom=True)
    axes[1].set_xlabel("the interval above this note, around the circle of fifths")
    bar = figure.colorbar(image, ax=list(axes), fraction=0.03, pad=0.01, extend="max")
    bar.set_label("cents from just, without the sign")
    places = {(each.tonic or 0) if tonic is None else parse_pitch_class(tonic) for each in loaded}
    where = f" on {NAMES[places.pop()]}" if len(places) == 1 else ""
    told = f"Cents wider than just, temperaments{where}"
    figure.suptitle(told if title is None else title)
    return figure


def beating_figure(
    samples_a: np.ndarray,
    samples_b: np.ndarray,
    rate: int,
    *,
    notes_a: Sequence[float],
    notes_b: Sequence[float],
    names: Sequence[str] = ("a", "b"),
    semitones: int = 4,
    title: str | None = None,
) -> Picture:
    """One interval in two renderings: the two partials that almost meet, and their beats.

    Of a major third 5:4 these are the fifth partial of the lower note and the fourth of
    the upper. Above, the spectrum around them, dotted lines where they ought to lie;
    below, the amplitude of the two of them together, over time: what beats.

    Parameters
    ----------
    samples_a, samples_b : float arrays, shape=(frames,) or (frames, channels): the
        interval's sound, from its start to its end, a quarter of a second or more each
    rate : frames a second
    notes_a, notes_b : frequencies of the lower and the upper note, in Hz
    names : what the two are called, such as ("equal", "adaptive")
    semitones : 4 for a major third, 3 for a minor one, 7 for a fifth

    Raises
    ------
    ChoraleError
        For sound that is too short or isn't finite, and where the partials can't be
        heard in it: another interval, another octave, or silence.
    """
    just_cents(semitones)
    whole(rate, "rate", 1000)
    named = items_of(names) or []
    if len(named) != 2:
        raise ChoraleError(f"names: expected two, got {shown(names)}")
    pairs = [
        _partials(notes, rate, semitones, str(name))
        for name, notes in zip(named, (notes_a, notes_b), strict=True)
    ]
    reach = max(LEAST_REACH, *(REACH * abs(high - low) for low, high in pairs))
    bands = [
        _band(samples, rate, pair, reach, str(name))
        for name, samples, pair in zip(named, (samples_a, samples_b), pairs, strict=True)
    ]
    figure = Picture(figsize=(WIDTH, 6.2), layout="constrained")
    axes = figure.subplots(2, 2, sharey="row")
    for (upper, lower), name, band in zip(axes.T, named, bands, strict=True):
        _draw_spectrum(upper, band, reach, semitones)
        _draw_beats(lower, band)
        upper.set_title(f"{name}: {_told_rate(abs(np.subtract(*band.partials)))}", loc="left")
    axes[0, 0].set_ylabel("level (dB below the highest peak)")
    axes[1, 0].set_ylabel("amplitude of both (linear)")
    figure.align_ylabels()
    figure.legend(
        *axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False,
        fontsize=9,
    )  # fmt: skip
    interval = INTERVALS[semitones][0].replace("thirds", "third").replace("fifths", "fifth")
    figure.suptitle(f"How a {interval} beats" if title is None else title)
    return figure


def drift_figure(
    adapted: Adapted | Mapping[str, Adapted], ax: Axes | None = None, *, title: str | None = None
) -> Axes:
    """How far a piece in adaptive just intonation drifts from its temperament, over time.

    A line is the mean of the notes that sound, the shade around it reaches from the
    lowest of them to the highest, and thin lines show the limit.

    Parameters
    ----------
    adapted : as `intonation.adapt` gives it, or several by their names
    ax : where to draw; by default a new figure's (`ax.figure`)
    title : by default that of the piece, if it is one piece
    """
    several = adapted if isinstance(adapted, Mapping) else {"mean of the notes": adapted}
    if not several or not all(isinstance(each, Adapted) for each in several.values()):
        raise ChoraleError(f"adapted: expected what adapt gives, got {shown(adapted)}")
    if ax is None:
        ax = Picture(figsize=(WIDTH, 3.6), layout="constrained").add_subplot()
    bases = {f"{each.tuning} on {NAMES[each.tonic]}" for each in several.values()}
    ax.axhline(0, color=INK, lw=0.8, zorder=1,
               label=bases.pop() if len(bases) == 1 else "each one's temperament")  # fmt: skip
    for (name, each), (colour, stroke) in zip(several.items(), cycle(LINES), strict=False):
        sounds = each.hz > 0
        steps = np.arange(each.hz.shape[1] + 1)
        low = np.where(sounds, each.away, np.inf).min(0)
        high = np.where(sounds, each.away, -np.inf).max(0)
        silent = ~sounds.any(0)
        low[silent] = high[silent] = np.nan
        ax.fill_between(
            steps, *(np.append(edge, edge[-1]) for edge in (low, high)), step="post",
            color=colour, alpha=0.18, lw=0, zorder=2,
        )  # fmt: skip
        ax.stairs(each.drift, steps, baseline=None, color=colour, ls=stroke, lw=1.8, label=name,
                  zorder=3)  # fmt: skip
        if np.isfinite(each.limit):
            told = f"limit, ±{each.limit:g} cents"
            for edge in (-each.limit, each.limit):
                ax.axhline(edge, color=colour, lw=0.8, ls=(0, (5, 4)), zorder=1, label=told)
                told = None
    longest = max(each.hz.shape[1] for each in several.values())
    ax.set(xlim=(0, longest), xlabel="step (a sixteenth)")
    ax.set_ylabel("cents from the temperament")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 4, 8, 10]))
    titles = {each.title for each in several.values()}
    own = titles.pop() if len(titles) == 1 else ""
    ax.set_title(own if title is None else title, loc="left", parse_math=False)
    ax.grid(axis="y", alpha=0.25)
    ax.spines[["top", "right"]].set_visible(False)
    legend = ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, fontsize=9)
    as_written(legend)
    return ax


def _draw_notes(ax: Axes, cents: np.ndarray) -> None:
    ax.bar(range(12), cents, 0.7, color=BAR, edgecolor=INK, lw=0.6, zorder=2)
    ax.axhline(0, color=INK, lw=0.8, zorder=3)
    low, high = min(0.0, cents.min()), max(0.0, cents.max())
    margin = max(1.0, 0.22 * (high - low))
    for place, value in enumerate(cents):
        ax.annotate(
            _signed(value), (place, value), (0, 3 if value >= 0 else -3),
            textcoords="offset points", ha="center", va="bottom" if value >= 0 else "top",
            fontsize=8, color=INK,
        )  # fmt: skip
    ax.set_xticks(range(12), NAMES)
    ax.set(ylim=(low - margin * (low < 0), high + margin), xlim=(-0.6, 11.6))
    ax.set_ylabel("cents from equal")
    ax.set_title("Notes", loc="left")
    ax.tick_params(length=2)
    ax.spines[["top", "right"]].set_visible(False)


def _draw_circle(ax: Axes, cents: np.ndarray) -> None:
    """Fifths and thirds above each note, around the circle, and where equal has them."""
    ax.axhspan(-PURE, PURE, color=BAND, lw=0, zorder=0, label=f"within {PURE:g} cents of pure")
    ax.axhline(0, color=INK, lw=0.8, zorder=1)
    equal = "equal temperament's"
    for semitones, (name, colour, mark, size) in INTERVALS.items():
        away = deviations_from_just(cents, semitones)[list(CIRCLE)]
        ax.plot(range(12), away, color=colour, marker=mark, ms=size, mec="white", mew=0.7, lw=1.4,
                label=name, zorder=3)  # fmt: skip
        usual = 100 * semitones - just_cents(semitones)
        ax.axhline(usual, color=colour, lw=0.9, ls=(0, (4, 3)), alpha=0.8, zorder=2)
        ax.annotate(_signed(usual), (1, usual), (3, 0), xycoords=("axes fraction", "data"),
                    textcoords="offset points", va="center", fontsize=8, color=colour)  # fmt: skip
    ax.plot([], [], color=FAINT, lw=0.9, ls=(0, (4, 3)), label=equal)
    ax.set_xticks(range(12), [NAMES[note] for note in CIRCLE])
    ax.set(xlim=(-0.6, 11.6), ylabel="cents wider than just")
    ax.set_title("Intervals", loc="left")
    ax.tick_params(length=2)
    ax.spines[["top", "right"]].set_visible(False)


def _draw_map(ax: Axes, away: np.ndarray) -> AxesImage:
    """Deviations as a heatmap with their figures; returns the image, for its colour bar."""
    image = ax.imshow(np.abs(away), cmap=IMPURE, vmin=0, vmax=DARKEST, aspect="auto")
    for (row, column), value in np.ndenumerate(away):
        ax.text(
            column, row, _signed(value), ha="center", va="center", fontsize=8,
            color="white" if abs(value) > 0.7 * DARKEST else INK,
        )  # fmt: skip
    ax.set_xticks(range(12), [NAMES[note] for note in CIRCLE])
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return image


@dataclass(frozen=True)
class _Band:
    """What lies around two partials that almost meet.

    partials : Hz of the lower note's and the upper note's
    hz, level : the spectrum there, in dB
    times, amplitude : both together over time, in seconds and linear, 1 at the highest
    """

    partials: tuple[float, float]
    hz: np.ndarray
    level: np.ndarray
    times: np.ndarray
    amplitude: np.ndarray


def _partials(notes: Sequence[float], rate: int, semitones: int, name: str) -> tuple[float, float]:
    """Hz of the two partials that almost meet, the lower note's first."""
    pair = items_of(notes) or []
    if len(pair) != 2:
        raise ChoraleError(f"{name}: expected Hz of a lower and an upper note, got {shown(notes)}")
    low, high = (number(hz, f"{name}: Hz", 1, rate / 2) for hz in pair)
    numerator, denominator = CONSONANCES[semitones]
    partials = (numerator * low, denominator * high)
    if abs(np.log2(partials[1] / partials[0])) > 1 / 12 or max(partials) > 0.45 * rate:
        raise ChoraleError(
            f"{name}: expected two notes {semitones} semitones apart, below {0.45 * rate:g} Hz "
            f"with their partials, got {low:g} and {high:g} Hz"
        )
    return partials


def _band(
    samples: np.ndarray, rate: int, partials: tuple[float, float], reach: float, name: str
) -> _Band:
    """What sounds around two partials, `reach` Hz to either side."""
    sound = np.asarray(samples, float)
    sound = sound.mean(-1) if sound.ndim == 2 else sound
    if sound.ndim != 1 or len(sound) < SHORTEST * rate or not np.isfinite(sound).all():
        raise ChoraleError(
            f"{name}: expected finite sound of {SHORTEST:g} s or more, shape (frames,) or "
            f"(frames, channels), got shape {np.shape(samples)}"
        )
    windowed = sound * np.hanning(len(sound))
    size = 4 * 2 ** int(np.ceil(np.log2(len(sound))))  # so fine that peaks are drawn round
    spectrum = np.abs(np.fft.rfft(windowed, size)) * 2 / len(sound)
    hz = np.fft.rfftfreq(size, 1 / rate)
    middle = sum(partials) / 2
    near = np.abs(hz - middle) <= reach
    if spectrum[near].max() <= SILENT * spectrum.max():
        raise ChoraleError(
            f"{name}: nothing sounds at {partials[0]:.0f} and {partials[1]:.0f} Hz; is it "
            "another interval, or silence?"
        )
    level = 20 * np.log10(np.maximum(spectrum[near] / spectrum[near].max(), 1e-6))
    return _Band(partials, hz[near], level, *_envelope(sound, rate, middle, reach))


def _envelope(
    sound: np.ndarray, rate: int, middle: float, reach: float
) -> tuple[np.ndarray, np.ndarray]:
    """The envelope of what lies around a frequency: the analytic signal of a Gaussian band."""
    padded = len(sound) + rate // 2  # so that the end doesn't reach around to the start
    hz = np.fft.fftfreq(padded, 1 / rate)
    band = np.exp(-0.5 * ((hz - middle) / reach) ** 2)
    envelope = 2 * np.abs(np.fft.ifft(np.fft.fft(sound, padded) * band))[: len(sound)]
    return np.arange(len(sound)) / rate, envelope / envelope.max()


def _draw_spectrum(ax: Axes, band: _Band, reach: float, semitones: int) -> None:
    numerator, denominator = CONSONANCES[semitones]
    ax.plot(band.hz, band.level, color=INK, lw=1.2, zorder=2)
    for (colour, stroke), hz, told in zip(
        LINES,
        band.partials,
        (f"partial {numerator} of the lower note", f"partial {denominator} of the upper note"),
        strict=False,
    ):
        ax.axvline(hz, color=colour, ls=stroke, lw=1.6, zorder=1, label=told)
    middle = sum(band.partials) / 2
    ax.set(xlim=(middle - reach, middle + reach), ylim=(-60, 3), xlabel="frequency (Hz)")
    ax.xaxis.set_major_locator(MaxNLocator(7))
    ax.spines[["top", "right"]].set_visible(False)


def _draw_beats(ax: Axes, band: _Band) -> None:
    ax.plot(band.times, band.amplitude, color=INK, lw=1.2)
    ax.set(xlim=(0, band.times[-1]), ylim=(0, 1.05), xlabel="time (s)")
    ax.spines[["top", "right"]].set_visible(False)


def _signed(cents: float) -> str:
    return f"{cents:+.1f}".replace("-", "−") if abs(cents) >= 0.05 else "0"


def _told_rate(beats: float) -> str:
    return "no beats" if beats < 0.05 else f"{beats:.1f} beats a second"
