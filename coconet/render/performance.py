"""From a chorale to timed notes, in a style: one place for all synthesisers.

Nothing here is left to chance unless the style asks for it and a generator is handed in.
"""

from __future__ import annotations

import numpy as np

from coconet.checks import needs_rng, not_needed, rows_of
from coconet.chorale import Chorale
from coconet.errors import ChoraleError, shown
from coconet.grid import note_table, voice_name
from coconet.render.dynamics import (
    Walker,
    even_velocities,
    given_velocities,
    midi_velocity,
    phrase_velocities,
)
from coconet.render.events import (
    HIGHEST_HZ,
    LONGEST,
    LOWEST_HZ,
    NOTE,
    TAIL,
    Performance,
    WalkCounts,
)
from coconet.render.style import CALM, Style, parse_style
from coconet.render.tempo import step_times, tempo_at
from coconet.transforms.layer import as_traced
from coconet.transforms.spans import spans_of, steps_within
from coconet.tuning import KEYS

#: Half the stereo width over which the four voices of one quartet are spread.
QUARTET_WIDTH = 0.2
#: Half the width over which the centres of several quartets are spread.
CHOIR_WIDTH = 0.3
#: The original's stereo places, of which it drew one a note.
PLACES = np.array([1, 3, 5, 7, 8, 9, 11, 13, 15]) / 16
#: Of a note, the share that a lift may take, and that a glide may.
MOST_LIFTED, MOST_GLIDING = 0.25, 0.5
#: A note glides only if the next one's start, which may be drawn, leaves it so many seconds.
SHORTEST = 0.01


def perform(
    chorale: Chorale,
    frequencies: np.ndarray,
    style: str | Style = CALM,
    *,
    rng: np.random.Generator | None = None,
    spans: object = None,
) -> Performance:
    """Play a chorale: a held note is one note, and every one is sounded to its end.

    Parameters
    ----------
    chorale : any number of voices
    frequencies : float array in Hz, shape=(128,), one a MIDI key; or shape=(voices, steps),
        one a cell, of which a note takes that where it begins
    style : a `Style`, or the name of one in `STYLES`
    rng : draws what the style leaves to chance. For each note, voice by voice: the walk's
        velocity and volume, the start, the place, the shift, the looseness
    spans : where a random walk rises: pairs of steps or a name, as in
        `transforms.spans.stretch`; by default the challenging ones, where some voice leaves
        the key

    Returns
    -------
    Performance; its `walk` counts what a random walk did

    Raises
    ------
    ChoraleError
        Where nothing sounds, for frequencies that don't fit the chorale or that no one can
        hear, for a style that doesn't fit it or needs a generator, for spans without a walk,
        and for what would last longer than a day.
    """
    if not isinstance(chorale, Chorale):
        raise ChoraleError(f"expected a Chorale, got {shown(chorale)}")
    style = parse_style(style)
    rng = needs_rng(rng) if style.needs_chance else None
    if style.walk is None:
        not_needed("dynamics='walk'", spans=spans)
    voice, start, end, pitch = note_table(chorale.grid, chorale.onsets)
    name = chorale.title or "chorale"
    if not len(voice):
        raise ChoraleError(f"{name}: has no notes to sound, only rests")
    times, ends = step_times(
        chorale, tempo=style.tempo, fermata=style.fermata, broaden=style.broaden
    )
    notes = np.zeros(len(voice), NOTE)
    notes["start"], notes["voice"], notes["step"], notes["key"] = times[start], voice, start, pitch
    notes["hz"] = _frequencies(frequencies, chorale, voice, start, pitch)
    length = ends[end] - times[start]
    notes["duration"] = length + np.maximum(style.hold, -MOST_LIFTED * length)
    notes["pan"] = 0.5 if style.stage == "random" else _places(style.stage, chorale)[voice]
    notes["shift"] = style.shift
    velocity = _velocities(style, chorale)[voice, start].astype(float)
    counts = None
    if rng is not None:
        inside = np.zeros(chorale.steps + 1, bool)
        if style.walk is not None:
            pairs = spans_of(as_traced(chorale), "challenging" if spans is None else spans)
            inside[:-1] = steps_within(pairs, chorale.steps)
        spread = _start_spread(style, chorale)[start]
        counts = _draw(notes, velocity, style, rng, inside[end], spread)
    notes["velocity"] = np.clip(np.rint(velocity), 1, 127)
    notes["level"] += _levels(style.levels, chorale)[voice]
    if style.glide:
        _glide(notes, style, chorale, follows=ends[end] == times[end], end=end)
    seconds = max(times[-1], float((notes["start"] + notes["duration"]).max())) + TAIL
    if seconds > LONGEST:
        raise ChoraleError(
            f"{name}: lasts {seconds:.0f} s: expected a day at most; is the tempo too slow?"
        )
    notes = notes[np.lexsort((notes["voice"], notes["start"]))]
    return Performance(notes, float(seconds), chorale.voices, times, chorale.title, counts)


def voice_pans(voices: int) -> np.ndarray:
    """Where each voice stands: high voices to the left, quartets side by side.

    Returns
    -------
    float array, shape=(voices,), 0 = left … 1 = right

    >>> voice_pans(4).round(2).tolist()
    [0.3, 0.43, 0.57, 0.7]
    """
    quartets = -(-voices // 4)
    within = np.linspace(-1, 1, min(voices, 4)) if voices > 1 else np.zeros(1)
    centres = np.linspace(-1, 1, quartets) if quartets > 1 else np.zeros(1)
    quartet, voice = np.divmod(np.arange(voices), 4)
    return 0.5 + CHOIR_WIDTH * centres[quartet] + QUARTET_WIDTH / quartets * within[voice]


# ---------------------------------------------------------------- what perform needs


def _frequencies(
    frequencies: object,
    chorale: Chorale,
    voice: np.ndarray,
    start: np.ndarray,
    pitch: np.ndarray,
) -> np.ndarray:
    """The frequency of each note, in Hz."""
    try:
        array = np.asarray(frequencies)
    except ValueError:  # rows of unequal length
        array = np.array(None)
    if array.dtype.kind not in "iuf" or array.shape not in ((KEYS,), chorale.grid.shape):
        raise ChoraleError(
            f"frequencies: expected Hz of shape ({KEYS},) or {chorale.grid.shape}, "
            f"got {array.dtype} of shape {array.shape}"
        )
    hz = array[pitch] if array.shape == (KEYS,) else array[voice, start]
    for bad in np.flatnonzero(~((hz >= LOWEST_HZ) & (hz <= HIGHEST_HZ)))[:1]:
        raise ChoraleError(
            f"frequencies: {voice_name(int(voice[bad]))} at step {start[bad]}: expected "
            f"{LOWEST_HZ:g}-{HIGHEST_HZ:g} Hz, got {hz[bad]:g}"
        )
    return hz


def _velocities(style: Style, chorale: Chorale) -> np.ndarray:
    """Velocities by cell, float or int; 0 where a random walk is to decide."""
    if style.walk is not None:
        return np.zeros(chorale.grid.shape)
    if isinstance(style.dynamics, np.ndarray):
        return given_velocities(style.dynamics, chorale)
    return phrase_velocities(chorale) if style.dynamics == "phrase" else even_velocities(chorale)


def _places(stage: str | tuple[float, ...], chorale: Chorale) -> np.ndarray:
    """The place of each voice, 0-1."""
    if stage == "spread":
        return voice_pans(chorale.voices)
    if len(stage) != chorale.voices:
        raise ChoraleError(
            f"stage: expected a place for each of {chorale.voices} voices, got {len(stage)}"
        )
    return np.array(stage)


def _levels(levels: tuple | None, chorale: Chorale) -> np.ndarray:
    """The level of each voice in dB."""
    found = np.zeros(chorale.voices)
    if levels is None:
        return found
    if not isinstance(levels[0], tuple):
        if len(levels) != chorale.voices:
            raise ChoraleError(
                f"levels: expected one for each of {chorale.voices} voices, got {len(levels)}"
            )
        return np.array(levels)
    named: dict[int, object] = {}
    for voice, level in levels:
        for row in rows_of(voice, chorale.voices, "levels").tolist():
            if row in named:
                raise ChoraleError(
                    f"levels: {voice_name(row)} is set by {named[row]!r} and again by {voice!r}"
                )
            named[row] = voice
            found[row] = level
    return found


def _start_spread(style: Style, chorale: Chorale) -> np.ndarray:
    """Standard deviation of the starts at each step, in seconds."""
    if style.zfactor is None:
        return np.full(chorale.steps, style.jitter)
    tempo = chorale.tempo if style.tempo is None else style.tempo
    quarter = 60 / tempo_at(tempo, np.arange(chorale.steps))
    return 1 / (5 * style.zfactor * quarter)


def _draw(
    notes: np.ndarray,
    velocity: np.ndarray,
    style: Style,
    rng: np.random.Generator,
    challenging: np.ndarray,
    spread: np.ndarray,
) -> WalkCounts | None:
    """Fill in, note by note, what is left to chance; `velocity` is changed as `notes` are."""
    walker = None if style.walk is None else Walker(style.walk, rng)
    walked = np.zeros((len(notes), 2))
    starts, pans, shifts = notes["start"], notes["pan"], notes["shift"]
    scattered = bool(spread.any())
    voice = -1
    for i, inside in enumerate(challenging.tolist()):
        if walker is not None:
            if notes["voice"][i] != voice:
                voice = notes["voice"][i]
                walker.begin_voice()
            walker.step(inside)
            walked[i] = walker.velocity, walker.volume
        if scattered:
            starts[i] = max(0.0, starts[i] + rng.standard_normal() * spread[i])
        if style.stage == "random":
            pans[i] = PLACES[rng.integers(0, len(PLACES))]
        if style.wander:
            shifts[i] += rng.integers(0, 3) - 1
        if style.loose:
            velocity[i] += rng.standard_normal() * style.loose
    if walker is None:
        return None
    velocity += midi_velocity(walked[:, 0])
    notes["level"] = 20 * np.log10(walked[:, 1] / style.walk.volume)
    return walker.counts


def _glide(
    notes: np.ndarray, style: Style, chorale: Chorale, *, follows: np.ndarray, end: np.ndarray
) -> None:
    """Let notes, voice by voice and in order, move to the pitch of the next."""
    here, after = notes[:-1], notes[1:]
    glides = (here["voice"] == after["voice"]) & (end[:-1] == after["step"]) & follows[:-1]
    # In adaptive intonation a repeated key may differ by some cents: it is struck anew.
    glides &= (here["key"] != after["key"]) & (here["hz"] != after["hz"])
    if style.glides is not None:
        if style.glides.shape != chorale.grid.shape:
            raise ChoraleError(
                f"glides: expected shape {chorale.grid.shape}, got {style.glides.shape}"
            )
        glides &= style.glides[here["voice"], here["step"]]
    length = after["start"] - here["start"]
    glides &= length >= SHORTEST
    here["duration"][glides] = length[glides]
    here["glide"][glides] = 1200 * np.log2(after["hz"] / here["hz"])[glides]
    here["glide_time"][glides] = np.minimum(style.glide, MOST_GLIDING * length)[glides]
