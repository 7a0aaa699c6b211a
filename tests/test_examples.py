"""The arrays that come with the project: each with a sidecar that tells how it was made."""

import shlex

import numpy as np
import pytest

from coconet import places
from coconet.chorale import load_chorale
from coconet.corpus import load_corpus
from coconet.options import build_parser
from coconet.predictor import load_predictor
from coconet.replace import plan_of
from coconet.segment_files import load_segments

STACKS = sorted((places.root() / "numpy_chorales" / "examples").glob("bwv*.npy"))
SEGMENTS = sorted((places.root() / "segmented_chorales" / "examples").glob("bwv*.npy"))
DEMO = {chorale.bwv: chorale for chorale in load_corpus("demo")}


@pytest.fixture(scope="module")
def model():
    return load_predictor(places.models() / "chorales").name


def validate_origin(chorale, model):
    """The shipped model made it, by a command that the program knows."""
    said = chorale.provenance
    assert said["model"] == model
    program, *words = shlex.split(said["command"])
    assert program == "coconet"
    options = build_parser().parse_args(words)
    assert options.seed == said["seed"]
    assert f"bwv:{chorale.bwv}" == said["source"] == options.source
    return said


def test_there_are_examples_of_all_four():
    stacks = [path.name for path in STACKS]
    for bwv in DEMO:
        mine = [name for name in stacks if name.startswith(f"bwv{bwv}-")]
        assert sum(name.endswith("-replaced.npy") for name in mine) == 1 and len(mine) == 2, bwv
        assert sum(path.name.startswith(f"bwv{bwv}-") for path in SEGMENTS) == 1, bwv


@pytest.mark.parametrize("path", STACKS, ids=lambda path: path.stem)
def test_a_stack_is_what_its_sidecar_tells(path, model):
    chorale = load_chorale(path)
    said = validate_origin(chorale, model)
    original = DEMO[chorale.bwv]
    assert chorale.grid.shape == (16, original.steps)
    assert (chorale.tonic, chorale.phrases) == (original.tonic, original.phrases)
    quartets = chorale.grid.reshape(4, 4, -1)
    if said["made by"] == "replace":
        assert plan_of(said).rounds == 4
    else:
        assert (quartets[:, 3] == original.grid[3]).all()  # the bass was kept
    assert (quartets[0] != quartets[1]).any() and (quartets[:, 0] > 0).any()


@pytest.mark.parametrize("path", SEGMENTS, ids=lambda path: path.stem)
def test_segments_are_what_their_sidecar_tells(path, model):
    segments = load_segments(path)
    validate_origin(segments.chorale, model)
    original = DEMO[segments.chorale.bwv]
    assert segments.grid.shape[1:] == (16, 32)
    assert segments.join().grid.shape == (16, original.steps)
    assert sum(fit.true for fit in segments.fits) == original.steps
    assert np.load(path).max() <= 81 and not segments.notes
