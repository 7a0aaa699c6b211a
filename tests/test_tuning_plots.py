"""Pictures of temperaments: what is drawn is what was computed, and nothing hides."""

import math
from dataclasses import replace

import numpy as np
import pytest
from drawn import axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from coconet.chorale import Chorale
from coconet.errors import ChoraleError
from coconet.intonation import adapt
from coconet.plots import save_figure
from coconet.purity import CIRCLE, fifths, major_thirds, minor_thirds
from coconet.theory import NAMES
from coconet.tuning import load_tuning, tuning_names
from coconet.tuning_plots import (
    beating_figure,
    drift_figure,
    temperament_figure,
    temperaments_figure,
)

RATE = 8000
EQUAL_THIRD = (261.6256, 261.6256 * 2 ** (4 / 12))
PURE_THIRD = (261.6256, 261.6256 * 5 / 4)


def sound(*notes, seconds=2.0, channels=None):
    """Notes of eight partials each."""
    times = np.arange(round(seconds * RATE)) / RATE
    samples = sum(
        np.sin(2 * np.pi * hz * partial * times) / partial
        for hz in notes
        for partial in range(1, 9)
    )
    return samples if channels is None else np.stack([samples] * channels, axis=1)


def lines_of(ax):
    """Lines that stand in the legend, by their names."""
    handles, labels = ax.get_legend_handles_labels()
    return dict(zip(labels, handles, strict=True))


@pytest.mark.parametrize(("name", "tonic"), [("young-1", 0), ("meantone-quarter", "Bb")])
def test_a_temperament_in_one_picture(name, tonic):
    figure = temperament_figure(name, tonic)
    upper, lower = figure.axes
    heights = [bar.get_height() for bar in upper.patches]
    assert heights == pytest.approx(load_tuning(name).deviations(tonic))
    assert [label.get_text() for label in upper.get_xticklabels()] == list(NAMES)
    drawn = lines_of(lower)
    for label, wanted in (
        ("fifths 3:2", fifths),
        ("major thirds 5:4", major_thirds),
        ("minor thirds 6:5", minor_thirds),
    ):
        assert drawn[label].get_ydata() == pytest.approx(wanted(name, tonic)[list(CIRCLE)])
    marks = [line.get_marker() for line in drawn.values() if hasattr(line, "get_marker")]
    assert len(set(marks)) >= 3, "told apart without colours too"
    sizes = [drawn[label].get_markersize() for label in ("fifths 3:2", "minor thirds 6:5")]
    assert sizes[0] > 1.5 * sizes[1], "in quarter-comma meantone they lie in one place"
    assert [label.get_text() for label in lower.get_xticklabels()][:3] == ["C", "G", "D"]
    assert {"+13.7", "−2.0", "−15.6"} <= {text.get_text() for text in lower.texts}
    assert figure.get_suptitle().startswith(f"{name} on {'C' if tonic == 0 else 'Bb'}: ")


def test_names_are_no_formulas(tmp_path):
    """In a picture and on axes of another: what a file says is drawn as it stands."""
    odd = r"Cash $\foo$"
    tuning = replace(load_tuning("vallotti"), name=odd, description=odd)
    assert save_figure(temperament_figure(tuning), tmp_path / "a.svg").exists()
    assert save_figure(temperaments_figure([tuning]), tmp_path / "b.svg").exists()
    adapted = adapt(Chorale([[60, 62], [48, 55]], title=odd), tuning=tuning)
    theirs = Figure().subplots(1, 2)
    save_figure(drift_figure(adapted, theirs[0]), tmp_path / "c.svg")
    save_figure(drift_figure({odd: adapted, "b": adapted}, theirs[1]), tmp_path / "d.svg")


def test_a_low_pitch_standard_is_no_part_of_the_temperament():
    low = temperament_figure(load_tuning("vallotti", reference=415)).axes[0]
    usual = temperament_figure("vallotti").axes[0]
    heights = [[bar.get_height() for bar in ax.patches] for ax in (low, usual)]
    assert heights[0] == pytest.approx(heights[1], abs=1e-9)


def test_a_saved_picture_holds_the_labels_of_its_bars(tmp_path):
    figure = temperament_figure("meantone-quarter", title="mine")
    assert save_figure(figure, tmp_path / "a.png").stat().st_size > 20_000
    ax = figure.axes[0]
    frame = ax.get_window_extent()
    boxes = [text.get_window_extent() for text in ax.texts]
    assert all(frame.y0 <= box.y0 and box.y1 <= frame.y1 + 1 for box in boxes)
    assert figure.get_suptitle() == "mine"


def test_all_temperaments_side_by_side():
    figure = temperaments_figure(tonic="F")
    thirds, fifth, bar = figure.axes
    names = [label.get_text() for label in thirds.get_yticklabels()]
    assert names == list(tuning_names())
    for ax, wanted in ((thirds, major_thirds), (fifth, fifths)):
        (image,) = ax.images
        found = np.array([wanted(name, "F")[list(CIRCLE)] for name in names])
        assert np.asarray(image.get_array()) == pytest.approx(np.abs(found))
        told = np.array([text.get_text() for text in ax.texts]).reshape(found.shape)
        assert told[names.index("equal"), 0] == f"{found[names.index('equal'), 0]:+.1f}".replace(
            "-", "−"
        )
    levels = image.cmap(np.linspace(0, 1, 50))[:, :3] @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(levels) < 1e-3).all(), "only darker, so readable without hues"
    assert "on F" in figure.get_suptitle()
    assert bar.get_ylabel().startswith("cents")
    assert len(temperaments_figure(["equal", load_tuning("young-2")]).axes[0].texts) == 24


def test_the_beats_of_a_major_third():
    figure = beating_figure(
        sound(*EQUAL_THIRD, channels=2),
        sound(*PURE_THIRD),
        RATE,
        notes_a=EQUAL_THIRD,
        notes_b=PURE_THIRD,
        names=("equal", "adaptive"),
    )
    equal, pure, beats, steady = figure.axes
    assert equal.get_title(loc="left") == "equal: 10.4 beats a second"
    assert pure.get_title(loc="left") == "adaptive: no beats"
    assert "major third 5:4" in figure.get_suptitle()
    # The spectrum has its two peaks where the lines are.
    curve, *marks = equal.lines
    hz, level = curve.get_data()
    peaks = [line.get_xdata()[0] for line in marks]
    assert peaks == pytest.approx([5 * EQUAL_THIRD[0], 4 * EQUAL_THIRD[1]])
    for peak in peaks:
        near = np.abs(hz - peak) < 3
        assert hz[near][level[near].argmax()] == pytest.approx(peak, abs=0.3)
    assert level.max() == 0
    # The loudness rises and falls so often a second, and that of the pure third doesn't.
    times, loudness = beats.lines[0].get_data()
    inner = (times > 0.2) & (times < 1.8)
    spectrum = np.abs(np.fft.rfft(loudness[inner] - loudness[inner].mean(), 2**17))
    rates = np.fft.rfftfreq(2**17, 1 / RATE)
    assert rates[spectrum.argmax()] == pytest.approx(10.38, abs=0.3)
    assert loudness[inner].min() < 0.3 * loudness[inner].max()
    still = steady.lines[0].get_ydata()[inner]
    assert np.ptp(still) < 0.02
    assert equal.get_ylim() == pure.get_ylim() and beats.get_ylim() == steady.get_ylim()
    assert np.ptp(equal.get_xlim()) == pytest.approx(np.ptp(pure.get_xlim()))


@pytest.mark.parametrize(("semitones", "ratio"), [(3, 6 / 5), (7, 3 / 2)])
def test_other_intervals_beat_too(semitones, ratio):
    notes = [(200.0, 200 * ratio), (200.0, 201 * ratio)]
    figure = beating_figure(
        *(sound(*pair) for pair in notes), RATE, notes_a=notes[0], notes_b=notes[1],
        semitones=semitones,
    )  # fmt: skip
    titles = [ax.get_title(loc="left") for ax in figure.axes[:2]]
    assert titles == ["a: no beats", f"b: {6.0 if semitones == 3 else 3.0} beats a second"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"samples_a": np.zeros(2 * RATE)}, "a: nothing sounds at 1308 and 1319 Hz"),
        ({"samples_b": sound(350.0, 392.0)}, "b: nothing sounds"),
        ({"samples_a": sound(*EQUAL_THIRD, seconds=0.1)}, "0.25 s or more"),
        ({"samples_a": np.full(2 * RATE, np.nan)}, "a: expected finite sound"),
        ({"samples_a": np.zeros((2, 2, 2))}, "got shape"),
        ({"notes_a": (261.6, 392.0)}, "two notes 4 semitones apart"),
        ({"notes_a": (2616.256, 2616.256 * 1.25)}, "below 3600 Hz"),
        ({"notes_b": (261.6,)}, "b: expected Hz of a lower and an upper note"),
        ({"notes_b": (0, 1)}, "b: Hz: expected a number"),
        ({"semitones": 5}, "expected 3, 4 or 7 semitones"),
        ({"rate": 0}, "rate: expected a whole number"),
        ({"names": ("a",)}, "names: expected two"),
    ],
)
def test_sound_that_shows_no_beats(changes, message):
    options = {
        "samples_a": sound(*EQUAL_THIRD), "samples_b": sound(*PURE_THIRD), "rate": RATE,
        "notes_a": EQUAL_THIRD, "notes_b": PURE_THIRD,
    }  # fmt: skip
    with pytest.raises(ChoraleError, match=message) as caught:
        beating_figure(**(options | changes))
    assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def pump():
    """I-vi-ii-V-I, common notes held, with a rest at the end."""
    chords = [(67, 64, 60), (69, 64, 60), (69, 65, 62), (67, 59, 62)] * 4
    grid = np.array([*chords, chords[0], (0, 0, 0)]).T.repeat(4, axis=1)
    return Chorale(grid, title="I–vi–ii–V–I")


def test_how_a_piece_drifts(pump):
    adapted = adapt(pump, tuning="equal")
    ax = axes()
    assert drift_figure(adapted, ax) is ax
    (stairs,) = [patch for patch in ax.patches if patch.get_label() == "mean of the notes"]
    drawn = stairs.get_data().values
    assert np.array_equal(drawn, adapted.drift, equal_nan=True) and np.isnan(drawn[-4:]).all()
    (shade,) = ax.collections
    low, high = shade.get_datalim(ax.transData).intervaly
    assert low == pytest.approx(adapted.away.min()) and high == pytest.approx(adapted.away.max())
    told = [text.get_text() for text in ax.get_legend().get_texts()]
    assert told == ["equal on C", "mean of the notes", "limit, ±25 cents"]
    assert ax.get_title(loc="left") == pump.title and ax.get_xlim() == (0, pump.steps)
    assert ax.get_xlabel() == "step (a sixteenth)" and "cents" in ax.get_ylabel()


def test_several_drifts_differ_in_colour_and_stroke(pump):
    several = {
        "no limit": adapt(pump, tuning="equal", limit=math.inf),
        "limit 25": adapt(pump, tuning="equal"),
    }
    ax = drift_figure(several, title="here")
    stairs = [patch for patch in ax.patches if patch.get_label() in several]
    assert len({to_hex(patch.get_edgecolor()) for patch in stairs}) == 2
    assert len({patch.get_linestyle() for patch in stairs}) == 2
    assert ax.get_ylim()[0] < several["no limit"].drift[60] < -50
    assert ax.get_title(loc="left") == "here"


def test_pieces_that_differ_share_a_picture(pump):
    short = Chorale(pump.grid[:, :8], title="another")
    ax = drift_figure({"short": adapt(short, tuning="young-1"), "long": adapt(pump)})
    told = [text.get_text() for text in ax.get_legend().get_texts()]
    assert told[0] == "each one's temperament" and ax.get_title(loc="left") == ""
    assert ax.get_xlim() == (0, pump.steps), "the longest is drawn to its end"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: drift_figure({}), "adapted: expected what adapt gives"),
        (lambda: drift_figure(np.zeros(4)), "adapted: expected what adapt gives"),
        (lambda: temperament_figure("equal", "H#"), "tonic 'H#'"),
        (lambda: temperament_figure("nowhere"), "no such tuning"),
        (lambda: temperaments_figure([]), "tunings: expected a list"),
        (lambda: temperaments_figure("equal"), "tunings: expected a list"),
    ],
)
def test_what_cannot_be_drawn(call, message):
    with pytest.raises(ChoraleError, match=message):
        call()
