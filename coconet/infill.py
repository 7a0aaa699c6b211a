"""Infilling: what a composer marks is rewritten, everything else stays.

From marks (voices, spans, bars, an array) to a hidden region, from there through
the sampler to new chorales that carry onsets, key, metre and how they came about.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch

from coconet import __version__
from coconet.chorale import Chorale
from coconet.errors import ChoraleError
from coconet.gibbs import OnPass, Schedule, rule_of_thumb, sample, tilt_of
from coconet.grid import (
    REST,
    VOICES,
    hidden_region,
    validate_hidden,
    validate_span,
    voice_indices,
)
from coconet.predictor import Predictor
from coconet.theory import find_key, key_sharps

CHUNK = 16


def choose_hidden(
    chorale: Chorale,
    *,
    keep: str | Iterable[str] | None = None,
    rewrite: str | Iterable[str] | None = None,
    spans: Iterable[Sequence[int]] = (),
    bars: Iterable[str] = (),
    hidden: np.ndarray | None = None,
    absent: Sequence[int] = (),
    fill_rests: bool = False,
) -> np.ndarray:
    """The hidden region that a composer's marks mean.

    Parameters
    ----------
    chorale : of four voices
    keep, rewrite : voices by name; not both
    spans : half open, in steps; bars : such as '5-8'. Together with voices they
        mean where both cross; alone they mean all voices there.
    hidden : a bool array of the grid's shape, in place of all the above
    absent : rows that the source doesn't have: always written in full
    fill_rests : also write where a rewritten voice rests

    Returns
    -------
    bool array, shape=(4, steps): True exactly where the model will write. With
    no mark at all only the absent voices are. An absent voice rests where all
    that are present rest.

    Raises
    ------
    ChoraleError
        For unknown voices, spans or bars outside the piece, contradictory
        marks, and marks that leave nothing to write.
    """
    shape = chorale.grid.shape
    if shape[0] != 4:
        raise ChoraleError(
            f"{chorale.title or 'chorale'}: expected four voices, got {shape[0]}"
            + ("; choose a quartet first (--quartet)" if shape[0] % 4 == 0 else "")
        )
    spans = [validate_span(span, shape[1]) for span in spans]
    spans += [chorale.bars_to_span(text) for text in bars]
    if keep is not None and rewrite is not None:
        raise ChoraleError("keep and rewrite: give one of them, not both")
    if hidden is not None:
        if keep is not None or rewrite is not None or spans:
            raise ChoraleError("a hidden array already says it all: give no voices, spans or bars")
        region = validate_hidden(hidden, shape)
    else:
        region = np.zeros(shape, bool)
        if keep is not None or rewrite is not None or spans:
            kept = () if keep is None else voice_indices(keep)
            lacking = [VOICES[row] for row in kept if row in absent]
            if lacking:
                raise ChoraleError(
                    f"keep: the source has no {', '.join(lacking)}, only "
                    f"{', '.join(VOICES[row] for row in range(4) if row not in absent)}; "
                    "say which voices its are (--as, as_=)"
                )
            voices = set(range(4)) - set(kept) if rewrite is None else set(voice_indices(rewrite))
            region = hidden_region(shape, voices=sorted(voices), spans=spans or None)
    if not fill_rests:
        region &= chorale.grid != REST
    present = [row for row in range(4) if row not in absent]
    sounding = (chorale.grid[present] != REST).any(0) if present else np.ones(shape[1], bool)
    for row in absent:
        region[row] = sounding
    if not region.any():
        raise ChoraleError(
            f"{chorale.title or 'chorale'}: nothing is hidden, so there is nothing to write; "
            "mark voices (--rewrite alto,tenor or --keep soprano), --span, --bars or --hidden"
        )
    return region


def infill(
    predictor: Predictor,
    chorale: Chorale,
    hidden: np.ndarray,
    *,
    count: int = 1,
    passes: int | None = None,
    temperature: float = 1.0,
    tilt: float = 1.0,
    seed: int = 1,
    provenance: dict[str, Any] | None = None,
    on_pass: OnPass | None = None,
) -> list[Chorale]:
    """Write the hidden cells of a chorale, `count` times over.

    Parameters
    ----------
    hidden : bool array, shape=(4, steps), as `choose_hidden` gives it; hidden
        rests are written too
    passes : of the sampler; by default one a hidden cell, 64 to 88
    temperature : 0 takes the likeliest pitches
    tilt : how much the fitted weights of `predictor.tilt` count; 0 turns them off
    seed : of `numpy.random.default_rng`; version k is the same for any `count`
    provenance : what else the sidecar should say, such as source and command
    on_pass : called after each pass, as `coconet.gibbs.sample` does

    Returns
    -------
    list of Chorales: kept notes keep their onsets, new ones begin where the
    pitch changes and after a fermata. The provenance of each says which cells
    were hidden, and all that its bytes depend on.
    """
    if count < 1:
        raise ChoraleError(f"count: expected 1 or more, got {count}")
    if seed < 0:
        raise ChoraleError(f"seed: expected 0 or more, got {seed}")
    schedule = Schedule(passes=rule_of_thumb(hidden) if passes is None else passes)
    grids = sample(
        predictor,
        [chorale] * count,
        [hidden] * count,
        schedule=schedule,
        temperature=temperature,
        tilt=tilt,
        rng=np.random.default_rng(seed),
        fill_rests=True,
        chunk=CHUNK,
        on_pass=on_pass,
    )
    record = {
        **(provenance or {}),
        "seed": seed,
        "passes": schedule.passes,
        "temperature": temperature,
        "tilt": tilt,
        "tilt weights": tilt_of(predictor).weights,
        "hidden": ["".join("x" if cell else "." for cell in row) for row in hidden],
        **surroundings(predictor),
    }
    return [
        chorale.replace(
            grid=grid,
            onsets=chorale.onsets_for(grid, hidden=hidden),
            split=None,
            provenance={**record, "version": version, "versions": count},
        )
        for version, grid in enumerate(grids, start=1)
    ]


def blank_chorale(
    steps: int,
    *,
    tonic: int = 0,
    mode: str = "major",
    time_signature: str = "4/4",
    tempo: float = 72.0,
    title: str = "",
) -> Chorale:
    """A chorale of rests, to be written from nothing; the model chooses its key."""
    if not 4 <= steps <= 20_000:
        raise ChoraleError(f"length: expected 4 to 20000 steps, got {steps}")
    return Chorale(
        np.zeros((len(VOICES), steps), int),
        tonic=tonic,
        mode=mode,
        sharps=key_sharps(tonic, mode),
        time_signature=time_signature,
        tempo=tempo,
        title=title,
    )


def with_found_key(chorale: Chorale) -> Chorale:
    """The chorale with the key and signature that its notes tell, which the model chose."""
    tonic, mode = find_key(chorale.grid)
    return chorale.replace(tonic=tonic, mode=mode, sharps=key_sharps(tonic, mode))


def changed_notes(
    before: Chorale, after: Chorale, *, rows: Sequence[int] = (0, 1, 2, 3)
) -> tuple[int, int]:
    """How many notes of `after` are new, and how many it has, in some of its voices.

    A note is new unless `before` has the same voice, beginning and pitch.
    """
    same = before.onsets & (before.grid == after.grid)
    onsets = after.onsets[list(rows)]
    return int((onsets & ~same[list(rows)]).sum()), int(onsets.sum())


def surroundings(predictor: Predictor) -> dict[str, Any]:
    """What a result depends on besides its arguments."""
    return {
        "coconet": __version__,
        "model": getattr(predictor, "name", type(predictor).__name__),
        "precision": getattr(predictor, "precision", "float32"),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "chunk": CHUNK,
        "machine": platform.machine(),
    }
