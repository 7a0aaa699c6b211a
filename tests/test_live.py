"""A run shown while it trains: curves each time, score and sound with each new sample."""

from __future__ import annotations

import IPython.display
import numpy as np
import pytest

from coconet.corpus import crop, load_corpus
from coconet.live import LiveTraining, read_samples
from coconet.midi import write_midi
from coconet.plots import Picture
from coconet.score import Score

ROWS = [{"update": 10, "train_loss": 2.0, "valid_loss": 1.9}]


@pytest.fixture
def shown(monkeypatch):
    """What is displayed: a list of (place, thing), a place for each display."""
    events = []

    class Handle:
        def __init__(self, place):
            self.place = place

        def update(self, thing):
            events.append((self.place, thing))

    def display(thing, *, display_id):
        assert display_id is True
        handle = Handle(len({place for place, _ in events}))
        handle.update(thing)
        return handle

    monkeypatch.setattr(IPython.display, "display", display)
    return events


@pytest.fixture(scope="module")
def chorales():
    return [crop(chorale, (0, 48)) for chorale in load_corpus("valid")[:2]]


def test_samples_are_read_in_order_of_their_updates(tmp_path, chorales):
    for update, chorale in zip((500, 50), chorales, strict=True):
        write_midi(chorale, tmp_path / "samples" / f"{update:07d}.mid")
    (tmp_path / "samples" / "notes.mid").write_text("no sample")
    samples = read_samples(tmp_path)
    assert list(samples) == [50, 500]
    assert np.array_equal(samples[500].grid, chorales[0].grid)
    assert np.array_equal(read_samples(tmp_path, steps=8)[50].grid, chorales[1].grid[:, :8])
    assert read_samples(tmp_path / "none") == {}


def test_a_new_sample_takes_the_old_ones_place(tmp_path, chorales, shown):
    live = LiveTraining(tmp_path, steps=16, sound=False)
    live(ROWS)
    assert [(place, type(thing)) for place, thing in shown] == [(0, Picture)]
    write_midi(chorales[0], tmp_path / "samples" / "0000010.mid")
    live(ROWS)
    live(ROWS)
    write_midi(chorales[1], tmp_path / "samples" / "0000020.mid")
    live(ROWS)
    kinds = [(place, type(thing)) for place, thing in shown[1:]]
    assert kinds == [(0, Picture), (1, Score), (0, Picture), (0, Picture), (1, Score)]
    first, second = (thing for place, thing in shown if place == 1)
    assert first.sheet != second.sheet


def test_with_sound_there_is_a_player_too(tmp_path, chorales, shown, monkeypatch):
    played = []
    monkeypatch.setattr("coconet.live.play", lambda chorale: played.append(chorale) or "player")
    write_midi(chorales[0], tmp_path / "samples" / "0000010.mid")
    LiveTraining(tmp_path, steps=16)(ROWS)
    assert [thing for place, thing in shown if place == 2] == ["player"]
    assert played[0].steps == 16
