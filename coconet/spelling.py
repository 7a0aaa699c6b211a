"""How pitches are spelled: F sharp or G flat.

Names live on the **line of fifths**: … Bb −2, F −1, C 0, G 1, D 2 … . Close on
it means closely related, so a note is spelled to lie near its key, near the
notes that sound with it, and a diatonic rather than a chromatic semitone from
its neighbours. After Temperley (2001), "The Cognition of Basic Musical
Structures", chapter 5, in the plainest form.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from coconet.grid import notes_of

#: Letters by their place on the line of fifths, from F = -1.
LETTERS = "FCGDAEB"
NATURALS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
#: Names outside Fbb … B## are never wanted.
LOWEST, HIGHEST = -15, 19
#: How much distance on the line weighs: to the middle of the key, to each
#: neighbour a step away in the voice, to the chord on average.
KEY, NEIGHBOUR, CHORD = 1.0, 0.6, 1.0


def spell(
    grid: np.ndarray, onsets: np.ndarray, *, sharps: int, mode: str = "major"
) -> list[list[int]]:
    """Places on the line of fifths of every note, as `notes_of` lists them.

    Parameters
    ----------
    grid : int array, shape=(voices, steps); onsets : bool array of its shape
    sharps : key signature; mode : 'major' or 'minor'; a minor key reaches
        further to the sharp side, for its raised sixth and seventh

    Returns
    -------
    a list of ints for each voice, one for each of its notes
    """
    voices = notes_of(grid, onsets)
    centre = sharps + (3.0 if mode == "minor" else 2.5)
    places = [[_nearest(pitch, centre) for _, _, pitch in notes] for notes in voices]
    # The key alone settles nearly all; one more look settles the rest by what stands around.
    sounding = np.full(grid.shape, np.nan)
    for row, notes in enumerate(voices):
        for (start, end, _), place in zip(notes, places[row], strict=True):
            sounding[row, start:end] = place
    return [
        [
            _choose(pitch, centre, _around(index, places[row], notes), sounding[:, start:end])
            for index, (start, end, pitch) in enumerate(notes)
        ]
        for row, notes in enumerate(voices)
    ]


def name_of(place: int, pitch: int) -> tuple[str, int, int]:
    """Letter, alteration in semitones and octave of a pitch spelled at `place`.

    >>> name_of(6, 66), name_of(-6, 66), name_of(12, 60)
    (('F', 1, 4), ('G', -1, 4), ('B', 1, 3))
    """
    alteration, index = divmod(place + 1, 7)
    letter = LETTERS[index]
    return letter, alteration, (pitch - alteration - NATURALS[letter]) // 12 - 1


def _candidates(pitch: int) -> list[int]:
    first = 7 * pitch % 12 - 24
    return [place for place in range(first, HIGHEST + 1, 12) if place >= LOWEST]


def _nearest(pitch: int, centre: float) -> int:
    return min(_candidates(pitch), key=lambda place: abs(place - centre))


def _around(index: int, places: Sequence[int], notes: Sequence[tuple[int, int, int]]) -> list[int]:
    """Places of the notes a semitone or tone before and after in the voice."""
    pitch = notes[index][2]
    return [
        places[other]
        for other in (index - 1, index + 1)
        if 0 <= other < len(notes) and 0 < abs(notes[other][2] - pitch) <= 2
    ]


def _choose(pitch: int, centre: float, around: Sequence[int], chord: np.ndarray) -> int:
    """The candidate with the least distance from key, neighbours and chord."""
    others = chord[~np.isnan(chord)]

    def distance(place: int) -> float:
        total = KEY * abs(place - centre)
        total += NEIGHBOUR * sum(abs(place - other) for other in around)
        different = others[(others - place) % 12 != 0]
        if len(different):
            total += CHORD * float(np.abs(place - different).mean())
        return total

    return min(_candidates(pitch), key=distance)
