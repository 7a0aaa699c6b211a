"""Where a model is surprised by a chorale, and what it expected instead.

The referee uncovers a piece in several orders; the mean over the orders of the
probabilities that a cell got is what the model expected there. Its probability of
the true pitch gives the cell's nats, those of `coconet.referee.PieceScore`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from tqdm.auto import tqdm

from coconet.chorale import Chorale, parse_time_signature
from coconet.errors import ChoraleError
from coconet.grid import VOICES, notes_of, validate_span
from coconet.referee import CHUNK, PieceScore, ReadyPiece, Referee, resolution_of
from coconet.spelling import name_of, spell

if TYPE_CHECKING:
    from coconet.predictor import Predictor

SIGNS = {-2: "bb", -1: "b", 0: "", 1: "#", 2: "##"}


@dataclass(frozen=True)
class Note:
    """A note, and how little the model expected it where it was expected least.

    voice : row of the grid; start, end : half open, in steps; pitch : its own
    step : the cell with the most nats; nats : that cell's
    """

    voice: int
    start: int
    end: int
    pitch: int
    step: int
    nats: float


@dataclass(frozen=True, eq=False)
class Surprise:
    """What a model expected of a chorale, cell by cell.

    chorale : of four voices
    score : its nats
    expected : float array, shape=(4, steps, pitches): mean over the orders of the
        probabilities of each pitch; NaN where nothing was asked
    low : the pitch of the first of them
    """

    chorale: Chorale
    score: PieceScore
    expected: np.ndarray
    low: int

    def notes(self, span: Sequence[int] | None = None) -> list[Note]:
        """The notes that have a cell in a span, the most surprising first.

        Raises ChoraleError for a span that is empty or leaves the piece.
        """
        first, last = validate_span(span or (0, self.chorale.steps), self.chorale.steps)
        nats = np.where(np.isfinite(self.score.cells), self.score.cells, -np.inf)
        found = []
        for voice, notes in enumerate(notes_of(self.chorale.grid, self.chorale.onsets)):
            for start, end, pitch in notes:
                a, b = max(start, first), min(end, last)
                if a < b and nats[voice, a:b].max() > -np.inf:
                    step = a + int(nats[voice, a:b].argmax())
                    found.append(Note(voice, start, end, pitch, step, float(nats[voice, step])))
        return sorted(found, key=lambda note: -note.nats)

    def marks(self, notes: Iterable[Note]) -> np.ndarray:
        """bool array, shape=(4, steps): the cells of some notes."""
        marked = np.zeros(self.chorale.grid.shape, bool)
        for note in notes:
            marked[note.voice, note.start : note.end] = True
        return marked

    def passages(self, count: int = 3, *, bars: int = 2) -> list[tuple[int, int]]:
        """The hardest passages: whole bars that don't overlap, by their mean nats a frame.

        Parameters
        ----------
        count : at most so many; fewer where the piece is too short
        bars : of each; an upbeat belongs to the first, an unfinished bar to the last

        Returns
        -------
        list of half-open pairs of steps, the hardest first
        """
        if count < 1 or bars < 1:
            raise ChoraleError(f"passages: expected 1 or more of 1 bar or more: {count}, {bars}")
        chorale = self.chorale
        lines = [*range(chorale.upbeat, chorale.steps, chorale.bar), chorale.steps]
        lines[0] = 0
        spans = [
            (lines[i], lines[min(i + bars, len(lines) - 1)])
            for i in range(max(1, len(lines) - bars))
        ]
        means = [float(np.nanmean(self.score.frames[a:b])) for a, b in spans]
        chosen: list[tuple[int, int]] = []
        for i in np.argsort(means, kind="stable")[::-1]:
            a, b = spans[i]
            if len(chosen) < count and all(b <= start or end <= a for start, end in chosen):
                chosen.append((a, b))
        return chosen

    def instead(self, note: Note, count: int = 2) -> list[tuple[str, float]]:
        """The likeliest other pitches of a note, spelled in its place, with their chances."""
        chances = self.expected[note.voice, note.step].copy()
        chances[note.pitch - self.low] = -1
        best = np.argsort(chances, kind="stable")[::-1][:count]
        return [(self.spelled(note, int(i) + self.low), float(chances[i])) for i in best]

    def spelled(self, note: Note, pitch: int) -> str:
        """The name that a pitch has in the place of a note, such as 'F#4'."""
        grid, chorale = self.chorale.grid.copy(), self.chorale
        grid[note.voice, note.start : note.end] = pitch
        onsets = chorale.onsets_for(grid) | chorale.onsets
        starts = [start for start, _, _ in notes_of(grid, onsets)[note.voice]]
        places = spell(grid, onsets, sharps=chorale.sharps, mode=chorale.mode)
        place = places[note.voice][starts.index(note.start)]
        letter, alteration, octave = name_of(place, pitch)
        return f"{letter}{SIGNS[alteration]}{octave}"

    def told(self, note: Note) -> str:
        """A sentence: where the note is, how likely the model found it, what it expected."""
        own = float(np.exp(-note.nats))
        others = " or ".join(f"{name} ({_percent(p)})" for name, p in self.instead(note))
        return (
            f"{place_of(self.chorale, note.step)}, {VOICES[note.voice]}: Bach has"
            f" {self.spelled(note, note.pitch)}, to which the model gave {_percent(own)};"
            f" it rather expected {others}."
        )


def surprise(
    predictor: Predictor,
    chorale: Chorale,
    referee: Referee | None = None,
    *,
    chunk: int = CHUNK,
    progress: bool = True,
) -> Surprise:
    """Score a model on one chorale and keep all that it expected.

    Parameters
    ----------
    predictor : any Predictor of 16 steps a whole note
    chorale : of four voices
    referee : five random orders of frames by default
    chunk : steps in one forward pass; the result doesn't depend on it
    progress : show a bar

    Raises
    ------
    ChoraleError
        For a predictor of another resolution, and what `score_piece` refuses.
    """
    if resolution_of(predictor) != 16:
        raise ChoraleError(f"surprise: expected 16 steps a whole note, got {predictor.resolution}")
    referee = referee or Referee()
    ready = ReadyPiece(predictor, chorale, referee)
    low, high = predictor.pitches
    total = np.zeros((*chorale.grid.shape, high - low + 1))
    counts = np.zeros(chorale.grid.shape, int)

    def keep(voice: np.ndarray, step: np.ndarray, probabilities: np.ndarray) -> None:
        # The same cell may come several times, once an order.
        np.add.at(total, (voice, step), probabilities)
        np.add.at(counts, (voice, step), 1)

    with tqdm(
        total=int(ready.work.sum()),
        desc=ready.name,
        bar_format="{desc} {percentage:3.0f}% |{bar}| {elapsed}, {remaining} left",
        disable=not progress,
    ) as bar:
        score = ready.score(chunk, bar.update, keep)
    with np.errstate(invalid="ignore"):
        expected = total / counts[..., None]
    return Surprise(chorale, score, expected, low)


def place_of(chorale: Chorale, step: int) -> str:
    """A step as bar and beat, such as 'bar 3, beat 2.5'; an upbeat is bar 0.

    >>> place_of(Chorale(np.full((4, 40), 60), upbeat=4), 26)
    'bar 2, beat 2.5'
    """
    bar, inside = divmod(step - chorale.upbeat, chorale.bar)
    unit = max(1, 16 // parse_time_signature(chorale.time_signature)[1])
    return f"bar {bar + 1}, beat {1 + inside / unit:g}"


def bars_of(chorale: Chorale, span: Sequence[int]) -> str:
    """A span as bars, such as 'bars 3-4'."""
    first, last = ((step - chorale.upbeat) // chorale.bar + 1 for step in (span[0], span[1] - 1))
    return f"bar {first}" if first == last else f"bars {first}–{last}"


def _percent(share: float) -> str:
    """A share as a percentage, small ones not as nothing.

    >>> _percent(0.713), _percent(0.0042), _percent(0.0002)
    ('71 %', '0.4 %', 'less than 0.1 %')
    """
    if share < 0.001:
        return "less than 0.1 %"
    return f"{100 * share:.1f} %" if share < 0.0095 else f"{100 * share:.0f} %"
