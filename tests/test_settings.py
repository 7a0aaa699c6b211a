"""Settings: the schedule, YAML and back, bad ones refused."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coconet.errors import ChoraleError
from coconet.model import FastConfig, PaperConfig
from coconet.settings import MEASURED, Settings, learning_rate, read_fields, write_settings

MODELS = st.one_of(
    st.builds(
        FastConfig,
        dilations=st.lists(st.integers(1, 9), min_size=1, max_size=4).map(tuple),
        dropout=st.floats(0, 0.9),
    ),
    st.builds(PaperConfig, layers=st.integers(2, 9), filters=st.integers(1, 99)),
)
SETTINGS = st.builds(
    Settings,
    model=MODELS,
    updates=st.integers(1, 10**9),
    minutes=st.none() | st.floats(1e-9, 10**6),
    crop=st.integers(1, 100).map(lambda beats: 4 * beats),
    learning_rate=st.floats(0, 10),
    ema=st.floats(0, 1),
    splits=st.lists(st.sampled_from(("train", "valid", "test")), min_size=1),
    seed=st.integers(0, 2**63 - 1),
    threads=st.none() | st.integers(1, 64),
    data=st.none() | st.text(st.characters(codec="utf-8", exclude_categories=("C",))),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("settings")


@given(settings=SETTINGS)
def test_yaml_keeps_every_setting_exactly(settings, folder):
    path = folder / "config.yaml"
    write_settings(path, settings)
    assert Settings.from_fields(read_fields(path)) == settings


def test_a_number_without_a_point_is_a_number(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text("learning_rate: 2e-3\nsplits: [test, train]\n")
    settings = Settings.from_fields(read_fields(path))
    assert settings.learning_rate == 0.002
    assert settings.splits == ("train", "test")
    assert not settings.held_out and Settings().held_out


def test_the_schedule_warms_up_and_falls_to_nothing():
    settings = Settings(updates=1000, warmup=100, learning_rate=1.0)
    rates = [learning_rate(settings, update) for update in range(1000)]
    assert rates[0] == 0.01
    assert max(rates) == rates[100] == 1.0
    assert rates[-1] < 1e-4
    assert all(a >= b for a, b in itertools.pairwise(rates[100:]))


def test_minutes_measure_at_the_same_rates_as_a_run_that_repeats_them():
    measuring = Settings(updates=None, minutes=5, warmup=10)
    repeating = replace(measuring, updates=300)
    rates = [[learning_rate(s, update) for update in range(MEASURED)]
             for s in (measuring, repeating)]  # fmt: skip
    assert rates[0] == rates[1]
    assert learning_rate(repeating, 299) < 1e-6


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"batch": 0}, "batch"),
        ({"batch": True}, "batch"),
        ({"batch": "many"}, "batch"),
        ({"crop": 63}, "whole beats"),
        ({"updates": 0}, "updates"),
        ({"updates": None}, "updates or minutes"),
        ({"minutes": -1}, "minutes"),
        ({"minutes": float("nan")}, "minutes"),
        ({"learning_rate": "fast"}, "learning_rate"),
        ({"resolution": 12}, "resolution"),
        ({"seed": -1}, "seed"),
        ({"samples_every": -1}, "samples_every"),
        ({"device": "tpu"}, "device"),
        ({"splits": "train,demo"}, "never trained on"),
        ({"splits": []}, "splits"),
        ({"splits": ["trian"]}, "splits"),
        ({"splits": 3}, "splits"),
        ({"data": 3}, "data"),
        ({"speed": 9}, "unknown: speed"),
        ({"model": {"network": "fast", "step_width": -1}}, "impossible network"),
    ],
)
def test_bad_settings_are_refused(fields, says):
    with pytest.raises(ChoraleError, match=says):
        Settings.from_fields(fields)
