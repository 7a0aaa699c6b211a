"""What all layers share: how they are called, and how options are read."""

import inspect

import numpy as np
import pytest

from coconet import transforms
from coconet.chorale import Chorale
from coconet.errors import ChoraleError
from coconet.traced import Traced
from coconet.transforms.layer import (
    LAYERS,
    TAKES,
    AnyPiece,
    as_traced,
    key_of,
    layer,
)


@pytest.mark.parametrize("name", sorted(LAYERS))
def test_help_tells_what_a_layer_takes_and_gives_back(name):
    function = getattr(transforms, name)
    signature = inspect.signature(function)
    piece, *options = signature.parameters.values()
    assert piece.name == "piece" and piece.annotation == signature.return_annotation == AnyPiece
    assert all(option.kind is option.KEYWORD_ONLY for option in options)
    summary, empty, takes, *_ = inspect.getdoc(function).splitlines()
    assert summary.endswith(".") and not empty and takes == TAKES


def test_what_is_asked_for_comes_back_in_the_kind_given():
    grid = np.array([[60, 62]])
    for piece in (grid, Chorale(grid), Traced.begin(Chorale(grid))):
        assert type(transforms.retrograde(piece)) is type(piece)
    assert transforms.retrograde([[60, 62]]).tolist() == [[62, 60]]
    with pytest.raises(ChoraleError, match="expected shape"):
        transforms.retrograde([60, 62])


def test_a_name_belongs_to_one_layer(monkeypatch):
    def same(piece):
        """Nothing changes."""
        return piece

    monkeypatch.setattr("coconet.transforms.layer.LAYERS", {})
    layer(same)
    layer(same)  # as where a notebook loads an edited module again
    same.__module__ = "elsewhere"
    with pytest.raises(AssertionError):
        layer(same)


def test_what_is_said_of_a_key_counts_and_what_is_assumed_is_found():
    g_major = np.array([[67, 69, 71, 72, 74, 76, 78, 79, 67]])
    assert key_of(as_traced(g_major)) == (7, "major")
    assert key_of(as_traced(g_major), "E", "minor") == (4, "minor")
    assert key_of(as_traced(Chorale(g_major, tonic=2))) == (2, "major")
    assert key_of(as_traced(Chorale(g_major, tonic=2, assumed=("mode",)))) == (2, "major")
    a_minor = np.array([[69, 71, 72, 74, 76, 77, 79, 81, 72, 72, 72, 76, 76, 67, 67, 72]])
    assert key_of(as_traced(a_minor)) == (0, "major")
    # Half a key is completed to fit: no C sharp is heard, so that A is minor.
    assert key_of(as_traced(a_minor), "A") == (9, "minor")
    assert key_of(as_traced(a_minor), None, "minor") == (9, "minor")
    for tonic in (12, -1, 1.5, True, "H", "", [0], np.array(0)):
        with pytest.raises(ChoraleError, match="tonic"):
            key_of(as_traced(g_major), tonic)
