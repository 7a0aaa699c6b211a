"""Incremental replacement: a chorale rewritten voice by voice, each fed by the one before.

One voice of a quartet is hidden and sampled from the other three; the quartet goes
on with the new voice, and the next one is hidden. Each such step is a
**replacement**. A **round** replaces every voice of the order once and leaves one
quartet; the quartets of all rounds, the first on top, are the **stack**, (4·rounds,
steps). The chorale that it began with is the **original**.

Every replacement can be read off the stack: `coconet.replaced` counts what changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from coconet.chorale import Chorale
from coconet.errors import ChoraleError
from coconet.gibbs import Schedule, sample, tilt_of
from coconet.grid import REST, VOICES, is_whole, notes_of, voice_index
from coconet.infill import surroundings
from coconet.jobs import version_generators
from coconet.replaced import Replaced
from coconet.segments import Segments
from coconet.theory import parse_pitch, pitch_name
from coconet.tilt import validate_factor
from coconet.together import (
    DEFAULT,
    MOST_QUARTETS,
    together_pull,
    together_weights,
    validate_together,
)

if TYPE_CHECKING:
    from coconet.predictor import Predictor

#: Passes of the sampler for one replacement, unless a plan says otherwise.
PASSES = 48


@dataclass(frozen=True)
class Plan:
    """Which voices are replaced, in which order, how often, and how they are sampled.

    order : voices that a round replaces, one after another, by row or name; by default
        all that aren't kept, from the soprano down. A voice that is neither in the
        order nor kept stays as well.
    rounds : how often; each gives a quartet of the stack
    keep : voices kept for good, by row or name: they stand in every quartet
    passes : of the sampler, a replacement; `PASSES` by default
    temperature, tilt : as `gibbs.sample` takes them
    together : 0-1, how much a round hears the quartets of the rounds before it. From the
        second round on, the weights against parallels are firmer by it
        (`together.together_weights`)

    `order` and `keep` are rows once the plan is made. Raises ChoraleError for a voice
    that is unknown, named twice, or kept and replaced at once, where no voice is
    left to replace, and for numbers outside their ranges.

    >>> Plan(keep="bass").order
    (0, 1, 2)
    """

    order: str | Sequence[str | int] | None = None
    rounds: int = 4
    keep: str | Sequence[str | int] = ()
    passes: int | None = None
    temperature: float = 1.0
    tilt: float = 1.0
    together: float = DEFAULT

    def __post_init__(self) -> None:
        keep = _rows(self.keep, "keep")
        if len(keep) == len(VOICES):
            raise ChoraleError("keep: all four voices are kept, so that none is left to replace")
        left = [row for row in range(len(VOICES)) if row not in keep]
        order = _rows(left if self.order is None else self.order, "order")
        if not order:
            raise ChoraleError("order: expected at least one voice")
        both = [VOICES[row] for row in order if row in keep]
        if both:
            raise ChoraleError(f"order: {', '.join(both)} can't be both kept and replaced")
        if not is_whole(self.rounds, 1, MOST_QUARTETS):
            raise ChoraleError(f"rounds: expected 1-{MOST_QUARTETS}, got {self.rounds!r}")
        passes = PASSES if self.passes is None else self.passes
        Schedule(passes=passes)
        for field, value in (
            ("order", order),
            ("keep", keep),
            ("passes", passes),
            ("temperature", validate_factor(self.temperature, "temperature")),
            ("tilt", validate_factor(self.tilt, "tilt")),
            ("together", validate_together(self.together)),
        ):
            object.__setattr__(self, field, value)

    @property
    def replacements(self) -> int:
        """How many voices are written in all."""
        return self.rounds * len(self.order)

    @property
    def told(self) -> dict[str, Any]:
        """The plan in a sidecar's words; `Plan(**told)` is the same plan."""
        return {
            "order": [VOICES[row] for row in self.order],
            "rounds": self.rounds,
            "keep": [VOICES[row] for row in self.keep],
            "passes": self.passes,
            "temperature": self.temperature,
            "tilt": self.tilt,
            "together": self.together,
        }


def replace_voices(
    predictor: Predictor,
    pieces: Sequence[Chorale],
    plan: Plan,
    *,
    rngs: Sequence[np.random.Generator],
    chunk: int = 16,
    on_pass: Callable[[], None] | None = None,
) -> list[Replaced]:
    """Rewrite chorales voice by voice, all of them as one batch.

    Rests stay where they are; where a voice rests throughout one of several pieces
    it is left so.

    Parameters
    ----------
    predictor : any Predictor
    pieces : chorales of four voices and any lengths: phrases of one, several versions
    plan : see `Plan`
    rngs : a generator a piece, which carries on from replacement to replacement, so
        that a piece comes out the same whatever stands beside it
    chunk : pieces in one forward pass of the model
    on_pass : called after each pass of each chunk

    Returns
    -------
    list of Replaced: kept voices keep their onsets, new notes begin where the pitch
    changes and after a fermata

    Raises
    ------
    ChoraleError
        For pieces of other than four voices, a voice that sounds in none of them,
        pitches that the model doesn't know, and a model of another resolution.
    """
    if not pieces or len(rngs) != len(pieces):
        raise ChoraleError(f"expected a generator a piece, got {len(rngs)} and {len(pieces)}")
    validate_voices(pieces)
    quartets = list(pieces)
    rounds: list[list[np.ndarray]] = [[] for _ in pieces]
    for number in range(plan.rounds):
        pulls = [
            together_pull(np.vstack(earlier), predictor.pitches, plan.together) if number else None
            for earlier in rounds
        ]
        weights = together_weights(tilt_of(predictor), 4 * number, plan.together)
        for row in plan.order:
            picked = [n for n, piece in enumerate(quartets) if piece.grid[row].any()]
            grids = sample(
                predictor,
                [quartets[n] for n in picked],
                [_row_hidden(quartets[n], row) for n in picked],
                schedule=Schedule(passes=plan.passes),
                temperature=plan.temperature,
                tilt=plan.tilt,
                weights=weights,
                pulls=[pulls[n] for n in picked],
                rng=[rngs[n] for n in picked],
                chunk=chunk,
                on_pass=None if on_pass is None else lambda *_: on_pass(),
            )
            for n, grid in zip(picked, grids, strict=True):
                quartets[n] = quartets[n].replace(grid=grid)
        for earlier, quartet in zip(rounds, quartets, strict=True):
            earlier.append(quartet.grid)
    return [
        Replaced(piece, stack_of(piece, np.vstack(grids), plan.order), plan.order)
        for piece, grids in zip(pieces, rounds, strict=True)
    ]


def validate_voices(pieces: Sequence[Chorale]) -> None:
    """Check that pieces have four voices, each of which sounds in one of them at least."""
    name = pieces[0].title or "chorale"
    for piece in pieces:
        if piece.voices != len(VOICES):
            raise ChoraleError(f"{name}: expected four voices, got {piece.voices}")
    silent = [
        voice for row, voice in enumerate(VOICES) if not any(p.grid[row].any() for p in pieces)
    ]
    if silent:
        *others, last = silent
        never = f"{', '.join(others)} and {last} never sound" if others else f"{last} never sounds"
        raise ChoraleError(
            f"{name}: {never}: replacement begins with four voices; write what is missing first "
            "with coconet infill IN, then replace the .npy that it writes"
        )


def stack_of(original: Chorale, grid: np.ndarray, order: Iterable[int]) -> Chorale:
    """Quartets that replacement wrote, with all that the original says besides its notes.

    Parameters
    ----------
    grid : int array, shape=(4·rounds, steps)
    order : rows that were replaced; the others keep their onsets
    """
    new = np.zeros(original.grid.shape, bool)
    new[list(order)] = True
    onsets = [
        original.onsets_for(quartet, hidden=new)
        for quartet in grid.reshape(-1, *original.grid.shape)
    ]
    return original.replace(grid=grid, onsets=np.vstack(onsets), split=None)


def written_out(piece: Chorale) -> list[str]:
    """Each voice as a typed melody, name:sixteenths, so that a sidecar can hold a chorale.

    >>> written_out(Chorale(np.array([[65, 65, 0, 67]])))
    ['F4:2 r:1 G4:1']
    """
    texts = []
    for notes in notes_of(piece.grid, piece.onsets):
        words, at = [], 0
        for start, end, pitch in notes:
            words += [f"r:{start - at}"] * (start > at) + [f"{pitch_name(pitch)}:{end - start}"]
            at = end
        words += [f"r:{piece.steps - at}"] * (piece.steps > at)
        texts.append(" ".join(words))
    return texts


def read_out(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """The grid and the onsets that `written_out` wrote.

    Returns
    -------
    int array, bool array, shape=(voices, steps): each word but a rest begins a note

    Raises
    ------
    ChoraleError
        Where a word has another form, or the voices' lengths differ.
    """
    grid, onsets = [], []
    for text in texts:
        words = [word.rpartition(":") for word in str(text).split()]
        lengths = [int(length) if length.isdecimal() else 0 for _, _, length in words]
        if not words or not all(name for name, _, _ in words) or not all(lengths):
            raise ChoraleError(f"expected notes such as F4:4 r:2, got {str(text)[:40]!r}")
        pitches = [REST if name == "r" else parse_pitch(name) for name, _, _ in words]
        grid.append(np.repeat(pitches, lengths))
        begins = np.zeros(sum(lengths), bool)
        begins[np.cumsum([0, *lengths[:-1]])] = True
        onsets.append(begins & (grid[-1] != REST))
    if len({len(row) for row in grid}) != 1:
        raise ChoraleError(f"expected voices of one length, got {[len(row) for row in grid]}")
    return np.array(grid), np.array(onsets)


def remade(predictor: Predictor, made: Chorale | Segments) -> list[Replaced]:
    """The same replacement once more, from nothing but what a sidecar says.

    Parameters
    ----------
    predictor : the model that the sidecar names
    made : a stack, or segments of stacks, as `coconet replace` wrote them

    Returns
    -------
    list of Replaced: of the chorale, or of its segments

    Raises
    ------
    ChoraleError
        Where the provenance doesn't say how it was made, and for a predictor of other
        weights, other weights of the sampler or another precision than it says.
    """
    whole = isinstance(made, Chorale)
    said = (made if whole else made.chorale).provenance
    pieces = [made] if whole else made.chorales()
    name = pieces[0].title or "stack"
    try:
        originals = [
            piece.replace(grid=grid, onsets=onsets)
            for piece, (grid, onsets) in zip(pieces, map(read_out, said["original"]), strict=True)
        ]
        plan = plan_of(said)
        made_by = {field: said[field] for field in ("model", "precision", "tilt weights")}
        rngs = version_generators(said["seed"], said["version"], len(pieces))
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, ChoraleError):
            raise
        raise ChoraleError(
            f"{name}: expected provenance with an original, a plan, a model, a seed "
            f"and a version, as coconet replace writes them ({error!r})"
        ) from error
    own = {"tilt weights": tilt_of(predictor).weights, **surroundings(predictor)}
    for field, value in made_by.items():
        if own[field] != value:
            raise ChoraleError(
                f"{name}: made with {field} {value}, the predictor's is {own[field]}"
            )
    return replace_voices(predictor, originals, plan, rngs=rngs)


def plan_of(provenance: Mapping[str, Any]) -> Plan:
    """The plan that a sidecar tells; raises KeyError where it tells none."""
    fields = ("order", "rounds", "keep", "passes", "temperature", "tilt", "together")
    return Plan(**{field: provenance[field] for field in fields})


def _rows(voices: str | Sequence[str | int], name: str) -> tuple[int, ...]:
    """Rows of voices given by row or name, in their order; none may be named twice."""
    if not isinstance(voices, Iterable):
        raise ChoraleError(f"{name}: expected voices by name or row, got {voices!r}")
    given = voices.split(",") if isinstance(voices, str) else voices
    rows = []
    for voice in given:
        row = voice_index(voice) if isinstance(voice, str) else voice
        if not is_whole(row, 0, len(VOICES) - 1):
            raise ChoraleError(f"{name}: expected rows 0-3 or voices by name, got {voice!r}")
        if row in rows:
            raise ChoraleError(f"{name}: {VOICES[row]} is named twice")
        rows.append(int(row))
    return tuple(rows)


def _row_hidden(piece: Chorale, row: int) -> np.ndarray:
    """bool array of the piece's shape: one voice, its rests left out."""
    hidden = np.zeros(piece.grid.shape, bool)
    hidden[row] = piece.grid[row] != REST
    return hidden
