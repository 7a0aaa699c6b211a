"""Keys, scales, intervals and parallels of a grid.

Conventions
-----------
Pitch classes are 0-11 from C. A key is a pair (tonic, mode), mode 'major' or
'minor'. Key signatures count sharps, flats being negative. Rests never count.
"""

from __future__ import annotations

import numpy as np

from coconet.errors import ChoraleError
from coconet.grid import REST

NAMES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "G#", "A", "Bb", "B")
SCALES = {"major": (0, 2, 4, 5, 7, 9, 11), "minor": (0, 2, 3, 5, 7, 8, 10)}
#: Intervals mod 12 between two sounding voices that are heard as dissonant.
DISSONANT = (1, 2, 6, 10, 11)
#: What stands for the interval of two voices of which one rests: no interval, and
#: mod 12 neither dissonant nor a fifth or an octave.
NO_INTERVAL = -1000
#: Key profiles of Temperley (2007), "Music and Probability", table 6.1 after the
#: Kostka-Payne corpus: how a key spreads over the 12 degrees.
PROFILES = {
    "major": (0.748, 0.060, 0.488, 0.082, 0.670, 0.460, 0.096, 0.715, 0.104, 0.366, 0.057, 0.400),
    "minor": (0.712, 0.084, 0.474, 0.618, 0.049, 0.460, 0.105, 0.747, 0.404, 0.067, 0.133, 0.330),
}
#: The profile of each of the 24 keys, less its mean: shape (modes, tonics, pitch classes).
KEYS = np.array([[np.roll(PROFILES[mode], t) for t in range(12)] for mode in PROFILES])
KEYS -= KEYS.mean(-1, keepdims=True)


def pitch_name(pitch: int) -> str:
    """The name of a MIDI pitch; middle C is C4.

    >>> pitch_name(60), pitch_name(70)
    ('C4', 'Bb4')
    """
    return f"{NAMES[pitch % 12]}{pitch // 12 - 1}"


def parse_pitch(name: str) -> int:
    """MIDI pitch of a name such as 'F4', 'Bb3', 'C#5' or 'E-4' (a minus is a flat).

    >>> parse_pitch("C4"), parse_pitch("Bb3"), parse_pitch("F##2")
    (60, 58, 43)
    """
    letter, rest = name[:1].upper(), name[1:]
    accidentals = rest.rstrip("0123456789")
    octave = rest[len(accidentals) :]
    steps = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
    shifts = {"#": 1, "b": -1, "-": -1, "♯": 1, "♭": -1}
    spelled = letter in steps and all(sign in shifts for sign in accidentals)
    if not spelled or not 1 <= len(octave) <= 2:
        raise ChoraleError(f"pitch {name!r}: expected a name such as F4, Bb3 or C#5")
    pitch = 12 * (int(octave) + 1) + steps[letter] + sum(shifts[sign] for sign in accidentals)
    if not 1 <= pitch <= 127:
        raise ChoraleError(f"pitch {name!r}: outside MIDI's 1-127")
    return pitch


def parse_tonic(name: str | int) -> int:
    """Pitch class of 'F', 'Bb', 'c#' or of a number 0-11.

    >>> parse_tonic("Bb"), parse_tonic("7")
    (10, 7)
    """
    text = str(name).strip()
    if text.isdecimal():
        if len(text) < 3 and int(text) < 12:
            return int(text)
        raise ChoraleError(f"tonic {name!r}: expected a pitch class 0-11")
    try:
        return parse_pitch(f"{text}4") % 12
    except ChoraleError as error:
        hint = "; the mode is told by mode" if "m" in text.lower() else ""
        raise ChoraleError(f"tonic {name!r}: expected a name such as F, Bb or C#{hint}") from error


def key_name(tonic: int, mode: str, sharps: int | None = None) -> str:
    """A key in words, spelled by its signature.

    >>> key_name(8, "major"), key_name(8, "minor"), key_name(6, "major", -6)
    ('Ab major', 'G# minor', 'Gb major')
    """
    signature = key_sharps(tonic, mode) if sharps is None else sharps
    flats = ("C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B")
    sharp = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
    return f"{(flats if signature < 0 else sharp)[tonic]} {mode}"


def scale(tonic: int, mode: str) -> np.ndarray:
    """Pitch classes of the major or natural minor scale, from the tonic up."""
    if mode not in SCALES:
        raise ChoraleError(f"mode: expected major or minor, got {mode!r}")
    return (np.array(SCALES[mode]) + tonic) % 12


def scale_degrees(pitches: np.ndarray, tonic: int, mode: str) -> tuple[np.ndarray, np.ndarray]:
    """Each pitch as a note of the key's scale, and by how many semitones it is raised.

    Parameters
    ----------
    pitches : int array of any shape

    Returns
    -------
    degrees : int array of its shape: the note of the scale at or below each pitch,
        counted from 0 for the tonic in MIDI's lowest octave, 7 an octave
    raised : int array of its shape: 0 for notes of the scale, 1 for chromatic ones

    >>> scale_degrees(np.array([60, 61, 62, 72]), 0, "major")
    (array([35, 35, 36, 42]), array([0, 1, 0, 0]))
    """
    octave, above = np.divmod(np.asarray(pitches, int) - tonic, 12)
    steps = scale(0, mode)
    step = np.searchsorted(steps, above, side="right") - 1
    return 7 * octave + step, above - steps[step]


def degree_pitches(degrees: np.ndarray, tonic: int, mode: str) -> np.ndarray:
    """The pitches of a scale's notes, counted as in `scale_degrees`; not checked against MIDI.

    >>> degree_pitches(np.array([35, 36, 42]), 0, "major")
    array([60, 62, 72])
    """
    octave, step = np.divmod(degrees, 7)
    return 12 * octave + scale(0, mode)[step] + tonic


def in_scale(grid: np.ndarray, tonic: int, mode: str) -> np.ndarray:
    """bool array, shape=(voices, steps): sounding cells whose pitch class is in the key."""
    return np.isin(grid % 12, scale(tonic, mode)) & (grid != REST)


def key_tonic(sharps: int, mode: str) -> int:
    """Tonic of a key signature.

    >>> key_tonic(-1, "major"), key_tonic(-1, "minor")
    (5, 2)
    """
    return (7 * sharps + (9 if mode == "minor" else 0)) % 12


def key_sharps(tonic: int, mode: str) -> int:
    """Key signature of a key, with the fewest accidentals (-5 to 6).

    >>> key_sharps(5, "major"), key_sharps(2, "minor"), key_sharps(6, "major")
    (-1, -1, 6)
    """
    major = (tonic + (3 if mode == "minor" else 0)) % 12
    return (7 * major + 5) % 12 - 5


def key_scores(grid: np.ndarray) -> np.ndarray:
    """How well each of the 24 keys fits: correlation of durations with its profile.

    Returns
    -------
    float array, shape=(2, 12): rows major and minor, columns the tonic; 0 for
    an empty grid.
    """
    counts = np.bincount(grid[grid != REST] % 12, minlength=12).astype(float)
    if np.ptp(counts) == 0:
        return np.zeros((2, 12))
    counts -= counts.mean()
    return KEYS @ counts / np.sqrt((KEYS**2).sum(-1) * (counts**2).sum())


def find_key(grid: np.ndarray, *, sharps: int | None = None) -> tuple[int, str]:
    """Tonic and mode of a chorale.

    The tonic is the final bass, if the signature allows it; a chorale in a
    church mode may stand a fifth from its signature's key. The mode is judged
    by the whole piece, never by the last chord: a minor chorale may end on a
    Picardy third.

    Parameters
    ----------
    grid : int array, shape=(voices, steps); the last voice is taken for the bass
    sharps : the key signature, where it is known

    Returns
    -------
    (tonic, mode)
    """
    scores = key_scores(grid)
    bass = grid[-1][grid[-1] != REST]
    if len(bass):
        final = int(bass[-1]) % 12
        if sharps is None:
            trusted = scores[:, final].max() > scores.max() - 0.25
        else:
            # Ionian, Aeolian, Dorian, Mixolydian: the finals of their signature.
            finals = [(key_tonic(sharps, "major") + degree) % 12 for degree in (0, 9, 2, 7)]
            trusted = final in finals and scores[:, final].max() > scores.max() - 0.45
        if trusted:
            return final, "major" if scores[0, final] >= scores[1, final] else "minor"
    if sharps is not None:
        major, minor = key_tonic(sharps, "major"), key_tonic(sharps, "minor")
        return (major, "major") if scores[0, major] >= scores[1, minor] else (minor, "minor")
    row, tonic = np.unravel_index(np.argmax(scores), scores.shape)
    return int(tonic), "major" if row == 0 else "minor"


def intervals(grid: np.ndarray) -> np.ndarray:
    """Intervals between all pairs of voices, in semitones, upper minus lower row.

    Returns
    -------
    int array, shape=(pairs, steps), pairs in the order of `voice_pairs`;
    `NO_INTERVAL` where either voice rests.
    """
    upper, lower = voice_pairs(grid.shape[0])
    return np.where(sounding_pairs(grid), grid[upper].astype(int) - grid[lower], NO_INTERVAL)


def sounding_pairs(grid: np.ndarray) -> np.ndarray:
    """bool array, shape=(pairs, steps): both voices sound; pairs as in `voice_pairs`."""
    upper, lower = voice_pairs(grid.shape[0])
    return (grid[upper] != REST) & (grid[lower] != REST)


def voice_pairs(voices: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices of all pairs of voices, upper row first, as two arrays."""
    return np.triu_indices(voices, 1)


def dissonant_pairs(grid: np.ndarray) -> np.ndarray:
    """bool array, shape=(pairs, steps): pairs that sound a dissonant interval."""
    return np.isin(np.abs(intervals(grid)) % 12, DISSONANT) & sounding_pairs(grid)


def dissonance_counts(grid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How many pairs of voices are dissonant at each step, and how many sound at all.

    Counted from the number of voices at each pitch class, so that time and memory grow
    with the voices, not with their pairs.

    Returns
    -------
    dissonant, sounding : two int arrays, shape=(steps,)
    """
    steps = grid.shape[1]
    cells = (grid.astype(int) % 12) * steps + np.arange(steps)
    sung = np.bincount(cells[grid != REST], minlength=12 * steps).reshape(12, steps)
    near = sung * (np.roll(sung, 1, 0) + np.roll(sung, 2, 0))
    tritones = sung * np.roll(sung, 6, 0)  # each pair from either side
    voices = sung.sum(0)
    return near.sum(0) + tritones.sum(0) // 2, voices * (voices - 1) // 2


def dissonance_steps(grid: np.ndarray) -> np.ndarray:
    """The share of each step's sounding pairs of voices that are dissonant.

    Returns
    -------
    float array, shape=(steps,), 0-1; 0 where fewer than two voices sound. One less it is
    what `transforms.challenging_spans` takes, to find dissonant places.

    >>> dissonance_steps(np.array([[62, 60, 60], [60, 55, 0], [48, 48, 0]])).round(2).tolist()
    [0.67, 0.0, 0.0]
    """
    dissonant, sounding = dissonance_counts(grid)
    return np.divide(dissonant, sounding, out=np.zeros(len(sounding)), where=sounding > 0)


def moving_pairs(grid: np.ndarray) -> np.ndarray:
    """bool array, shape=(pairs, steps - 1): both voices change pitch into the next step."""
    upper, lower = voice_pairs(grid.shape[0])
    sounding = (grid[:, 1:] != REST) & (grid[:, :-1] != REST)
    moves = (np.diff(grid.astype(int), axis=1) != 0) & sounding
    return moves[upper] & moves[lower]


def parallels(grid: np.ndarray, interval: int) -> np.ndarray:
    """Moving pairs that go the same way and keep `interval` (7 or 0) mod 12.

    Returns
    -------
    bool array, shape=(pairs, steps - 1): True where the parallel arrives in
    the next step.
    """
    upper, lower = voice_pairs(grid.shape[0])
    motion = np.sign(np.diff(grid.astype(int), axis=1))
    same_way = motion[upper] == motion[lower]
    kept = np.abs(intervals(grid)) % 12 == interval % 12
    return moving_pairs(grid) & same_way & kept[:, 1:] & kept[:, :-1]


def in_parallel(grid: np.ndarray) -> np.ndarray:
    """Cells from or into which two voices move in parallel fifths, octaves or unisons.

    Returns
    -------
    bool array, shape=(voices, steps)
    """
    pair, step = np.nonzero(parallels(grid, 7) | parallels(grid, 0))
    touched = np.zeros(grid.shape, bool)
    for voices in voice_pairs(len(grid)):
        touched[voices[pair], step] = touched[voices[pair], step + 1] = True
    return touched
