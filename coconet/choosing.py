"""Voices chosen from many: for each segment, those that together best meet a wish.

Sixteen voices or more lie in a stack; a segment is to be sung by some of them. Where
few choices are possible all are tried, so that the best is known; where there are too
many, swaps of single voices lead to a choice that no further swap betters. What is
chosen is an array of rows, to be looked at, edited, saved, and handed to the layer
`choose_voices`.

Conventions
-----------
A **choice** is `count` rows of the stack; there is one a segment. Its **merit** is the
higher the better: the number that a wish is told in, negative where little is wished.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, combinations, pairwise

import numpy as np

from coconet.checks import flag, needs_rng, rows_of, validate_choice, whole
from coconet.chorale import Chorale
from coconet.corpus import crop
from coconet.errors import ChoraleError, shown
from coconet.features import Voices
from coconet.grid import VOICES, is_whole, items_of
from coconet.phrases import validate_lengths
from coconet.tables import Table
from coconet.transforms.layer import as_traced
from coconet.wishes import Segment, Wish, Wished, merits_of, wish_of

Piece = Chorale | np.ndarray
#: Choices that are all tried; beyond, swaps. Eight of sixteen voices are 12,870. More
#: than `MOST` would fill the memory.
EXACT_LIMIT, MOST = 20_000, 1_000_000
#: Random beginnings of the swaps, for each segment, where a generator is given.
RESTARTS = 8
#: Random choices that stand for all, where there are too many to count.
SAMPLE = 2_000


# ---------------------------------------------------------------- rules


@dataclass(frozen=True)
class Rules:
    """What a choice must be, whatever is wished.

    keep : rows that are in every choice; voices by name, such as 'bass' for that of every
        quartet, become rows
    bass : one bass at least, a row 3 mod 4
    parts : as many sopranos as altos, tenors and basses
    different : rows, at least, that weren't in the segment before
    """

    voices: int
    count: int
    keep: Voices = ()
    bass: bool = False
    parts: bool = False
    different: int = 0

    def __post_init__(self) -> None:
        voices, count = self.voices, self.count
        if not is_whole(count, 1, voices):
            raise ChoraleError(f"count: expected 1-{voices} of {voices} voices, got {shown(count)}")
        none = self.keep is None or items_of(self.keep) == []
        keep = () if none else tuple(rows_of(self.keep, voices, "keep").tolist())
        object.__setattr__(self, "keep", keep)
        if len(keep) > count:
            raise ChoraleError(f"keep: {len(keep)} rows for a choice of {count}")
        flag(self.bass, "bass")
        if flag(self.parts, "parts") and (count % 4 or voices % 4):
            raise ChoraleError(
                f"parts: as many of each part needs quartets: expected multiples of 4, "
                f"got {count} of {voices} voices"
            )
        most = min(count - len(keep), voices - count)
        if not is_whole(self.different, 0, most):
            raise ChoraleError(
                f"different: at most {most} of {count} rows can change, got {shown(self.different)}"
            )

    def broken(self, rows: np.ndarray, before: np.ndarray | None) -> np.ndarray:
        """How far choices are from keeping the rules, 0 where they do.

        rows : int array, shape=(choices, count), `keep` among them
        before : the choice of the segment before
        """
        wrong = np.zeros(len(rows), int)
        part = rows % 4
        if self.bass:
            wrong += ~(part == 3).any(1)
        if self.parts:
            for one in range(4):
                wrong += abs((part == one).sum(1) - self.count // 4)
        if self.different and before is not None:
            wrong += np.maximum(0, self.different - (~np.isin(rows, before)).sum(1))
        return wrong

    @property
    def choices(self) -> int:
        """How many there are, with `keep` in them."""
        free = len(self.keep)
        return math.comb(self.voices - free, self.count - free)

    def every(self) -> np.ndarray:
        """All choices: int array, shape=(choices, count), rows ascending."""
        free = [row for row in range(self.voices) if row not in self.keep]
        picked = list(combinations(free, self.count - len(self.keep)))
        return np.sort([(*self.keep, *some) for some in picked], axis=1)

    def some(self, number: int, rng: np.random.Generator) -> np.ndarray:
        """Random choices with `keep` in them: int array, shape=(number, count)."""
        free = np.setdiff1d(np.arange(self.voices), self.keep)
        picked = rng.permuted(np.tile(free, (number, 1)), axis=1)
        picked = picked[:, : self.count - len(self.keep)]
        kept = np.tile(np.array(self.keep, int), (number, 1))
        return np.sort(np.hstack([kept, picked]), axis=1)


# ---------------------------------------------------------------- choosing


def choose_rows(
    piece: Piece,
    count: int,
    *,
    wish: Wished = "consonant",
    lengths: Sequence[int] | None = None,
    features: Sequence[str] | None = None,
    keep: Voices = (),
    bass: bool = False,
    parts: bool = False,
    different: int = 0,
    exact_limit: int = EXACT_LIMIT,
    rng: np.random.Generator | None = None,
) -> np.ndarray:
    """For each segment, the voices that together best meet a wish.

    All choices are tried where there are no more than `exact_limit`; of equally good
    ones the first is taken, rows ascending. Beyond, one voice at a time is swapped for
    the better until no swap helps, from rows spread evenly and, with `rng`, from
    `RESTARTS` random choices a segment; the best of these ends is taken, which need
    not be the best of all, and where rules are strict a choice that keeps them may be
    missed. Segments are decided one after another, each as well as the one before
    leaves it, so that with `different` another beginning may be better in sum.

    Parameters
    ----------
    piece : chorale, or int array of shape (voices, steps)
    count : voices a segment
    wish : 'consonant', the least share of dissonant pairs among those that sound;
        'entropy', the highest entropy of the pitch classes of notes; 'apart', the
        fewest unisons; 'bach', the nearest to the mean of Bach's phrases (of his
        chorales where the piece is one segment) in `features`, as a root mean square
        in his standard deviations: of all sets of `count` of his voices, but of all
        four where more are chosen; weights of these, each in its own unit, such as
        {'consonant': 1, 'apart': 0.5}; or a function of a grid (count, steps), called
        once a choice, that returns a number, the higher the better, or NaN. A choice in
        which nothing can be counted comes last. Notes count as often as they are
        struck, however long they last; one held into a segment begins with it.
    lengths : of the segments, in steps; by default the chorale's phrases, or else one
        segment
    features : for 'bach', names in `wishes.COUNTED`; by default all, but for more than
        four voices those that don't grow with the voices, and for one voice those that
        aren't counted among several
    keep : voices that are in every choice, as rows or by name ('bass' is that of every
        quartet)
    bass : one bass at least, a row 3 mod 4
    parts : as many sopranos as altos, tenors and basses
    different : rows, at least, that differ from the choice of the segment before
    exact_limit : at most a million
    rng : for the swaps alone

    Returns
    -------
    int array, shape=(segments, count), as `choose_voices` takes it: rows ascending, or
    with `parts` a soprano, an alto, a tenor and a bass, quartet after quartet

    Raises
    ------
    ChoraleError
        For a count, rules or lengths that the piece can't meet, an unknown wish or
        feature, features where 'bach' isn't wished, and a function that returns no
        number. What a function raises itself is passed on.

    >>> stack = np.array([[72], [71], [67], [60]])
    >>> choose_rows(stack, 3)
    array([[0, 2, 3]])
    """
    chorale = as_traced(piece).chorale
    rules = Rules(chorale.voices, count, keep, bass, parts, different)
    segments = _segments(chorale, lengths)
    wanted = wish_of(wish, features, count=count, phrases=len(segments) > 1)
    if rng is not None:
        needs_rng(rng)
    every = rules.every() if rules.choices <= _limit(exact_limit) else None
    chosen: list[np.ndarray] = []
    for number, segment in enumerate(segments, start=1):
        before = chosen[-1] if chosen else None
        if every is not None:
            best, broken = _best_of(every, segment, wanted, rules, before)
        else:
            best, broken = _best_by_swaps(segment, wanted, rules, before, rng)
        if broken:
            after = "" if before is None else f", after rows {before.tolist()}"
            raise ChoraleError(
                f"segment {number}{after}: no {count} of {rules.voices} voices were found that "
                f"keep the rules (keep {list(rules.keep)}, bass {bass}, parts {parts}, "
                f"different {different})"
            )
        chosen.append(best)
    return np.array([_by_parts(rows) for rows in chosen] if parts else chosen)


@dataclass(frozen=True, eq=False)
class Scored:
    """How well choices meet a wish, beside all that could have been chosen.

    Attributes
    ----------
    rows : int array, shape=(segments, count)
    lengths : of the segments, in steps
    wish : what is counted, with its unit
    values : float array, shape=(segments,): of the choices, in that unit; NaN where
        nothing could be counted
    best, median : the same of all choices
    worse : share of all choices that meet the wish less well than this one
    counted : how many choices are meant by all, each segment
    sampled : whether those are random ones
    """

    rows: np.ndarray
    lengths: tuple[int, ...]
    wish: str
    values: np.ndarray
    best: np.ndarray
    median: np.ndarray
    worse: np.ndarray
    counted: int
    sampled: bool


def score_rows(
    piece: Piece,
    rows: np.ndarray,
    *,
    wish: Wished = "consonant",
    lengths: Sequence[int] | None = None,
    features: Sequence[str] | None = None,
    exact_limit: int = EXACT_LIMIT,
    rng: np.random.Generator | None = None,
) -> Scored:
    """How well chosen rows meet a wish, beside the best and the median of all choices.

    Parameters
    ----------
    rows : int array, shape=(segments, count), such as `choose_rows` gives or one
        writes oneself; no row twice in a segment
    wish, lengths, features : as for `choose_rows`
    exact_limit, rng : where there are more choices than that, `SAMPLE` random ones
        stand for all, and a generator is needed
    """
    chorale = as_traced(piece).chorale
    segments = _segments(chorale, lengths)
    rows = validate_choice(rows, chorale.voices, segments=len(segments), once=True)
    wanted = wish_of(wish, features, count=rows.shape[1], phrases=len(segments) > 1)
    rules = Rules(chorale.voices, rows.shape[1])
    sampled = rules.choices > _limit(exact_limit)
    every = rules.some(SAMPLE, needs_rng(rng)) if sampled else rules.every()
    told = np.full((4, len(segments)), np.nan)
    for number, (choice, segment) in enumerate(zip(rows, segments, strict=True)):
        merits = merits_of(np.vstack([choice[None], every]), segment, wanted)
        own, known = merits[0], merits[1:][np.isfinite(merits[1:])]
        told[3, number] = (merits[1:] < own).mean()
        told[0, number] = own if np.isfinite(own) else np.nan
        if len(known):
            told[1:3, number] = known.max(), np.median(known)
    told[:3] = wanted.sign * told[:3] + 0.0  # no zero with a minus
    lengths = tuple(segment.grid.shape[1] for segment in segments)
    return Scored(rows, lengths, wanted.told, *told, len(every), sampled)


def choices_table(scored: Scored, *, caption: str = "") -> Table:
    """Which voices each segment has, and how good the choice is."""
    body = []
    edges = list(accumulate(scored.lengths, initial=0))
    for number, (start, end) in enumerate(pairwise(edges)):
        rows = scored.rows[number].tolist()
        figures = (scored.values[number], scored.best[number], scored.median[number])
        body.append(
            (
                f"{number + 1}",
                f"{start}–{end}",
                " ".join(map(str, rows)),
                " ".join(map(short_name, rows)),
                *("–" if math.isnan(figure) else f"{figure:.3f}" for figure in figures),
                f"{scored.worse[number]:.1%}",
            )
        )
    header = ("segment", "steps", "rows", "voices", "this", "best", "median", "better than")
    among = "random choices" if scored.sampled else "choices"
    notes = (f"{scored.wish}; best, median and better than: of {scored.counted:,} {among}",)
    return Table(header, tuple(body), caption=caption, notes=notes)


def short_name(row: int) -> str:
    """A voice by its letter and its quartet.

    >>> short_name(0), short_name(7)
    ('S1', 'B2')
    """
    quartet, voice = divmod(row, 4)
    return f"{VOICES[voice][0].upper()}{quartet + 1}"


# ---------------------------------------------------------------- the search


def _best_of(
    rows: np.ndarray, segment: Segment, wish: Wish, rules: Rules, before: np.ndarray | None
) -> tuple[np.ndarray, int]:
    """The first of the best choices, and by how much it breaks the rules."""
    broken = rules.broken(rows, before)
    allowed = np.flatnonzero(broken == broken.min())
    best = allowed[merits_of(rows[allowed], segment, wish).argmax()]
    return rows[best], int(broken[best])


def _best_by_swaps(
    segment: Segment,
    wish: Wish,
    rules: Rules,
    before: np.ndarray | None,
    rng: np.random.Generator | None,
) -> tuple[np.ndarray, int]:
    """The best end of several climbs, and by how much it breaks the rules."""
    free = np.setdiff1d(np.arange(rules.voices), rules.keep)
    wanted = rules.count - len(rules.keep)
    spread = free[np.arange(wanted) * len(free) // max(wanted, 1)]
    starts = np.sort([[*rules.keep, *spread]], axis=1)
    if rng is not None:
        starts = np.vstack([starts, rules.some(RESTARTS, needs_rng(rng))])
    ends = np.array([_climb(start, segment, wish, rules, before) for start in starts])
    return _best_of(ends, segment, wish, rules, before)


def _climb(
    choice: np.ndarray, segment: Segment, wish: Wish, rules: Rules, before: np.ndarray | None
) -> np.ndarray:
    """The best of all swaps, again and again, until none is better.

    First for the rules, then for the wish.
    """
    while True:
        around = np.vstack([choice[None], _swaps(choice, rules)])
        best, _ = _best_of(around, segment, wish, rules, before)
        if (best == choice).all():
            return choice
        choice = best


def _swaps(choice: np.ndarray, rules: Rules) -> np.ndarray:
    """All choices that differ in one row: int array, shape=(swaps, count)."""
    places = np.flatnonzero(~np.isin(choice, rules.keep))
    others = np.setdiff1d(np.arange(rules.voices), choice)
    swapped = np.tile(choice, (len(places), len(others), 1))
    swapped[np.arange(len(places))[:, None], :, places[:, None]] = others
    return np.sort(swapped.reshape(-1, rules.count), axis=1)


def _by_parts(rows: np.ndarray) -> np.ndarray:
    """Rows, as many of each part, as quartets: soprano, alto, tenor, bass, and again."""
    return np.array([np.sort(rows[rows % 4 == part]) for part in range(4)]).T.ravel()


# ---------------------------------------------------------------- what is given


def _segments(chorale: Chorale, lengths: Sequence[int] | None) -> list[Segment]:
    """The segments of a piece; raises ChoraleError for lengths that don't add up to it."""
    if lengths is None:
        lengths = chorale.phrases or (chorale.steps,)
    edges = accumulate(validate_lengths(lengths, chorale), initial=0)
    return [Segment(crop(chorale, span)) for span in pairwise(edges)]


def _limit(exact_limit: object) -> int:
    return whole(exact_limit, "exact_limit", 0, MOST)
