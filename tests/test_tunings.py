"""The shipped temperaments: each is what its circle of fifths, told here anew, makes of it."""

import re
from fractions import Fraction

import numpy as np
import pytest

from coconet import places
from coconet.scala import parse_scl
from coconet.tuning import load_tuning, tuning_names

PYTHAGOREAN = 1200 * np.log2(531441 / 524288)
SYNTONIC = 1200 * np.log2(81 / 80)
PURE = 1200 * np.log2(3 / 2)
ROUND = ["C", "G", "D", "A", "E", "B", "F#", "C#", "G#", "Eb", "Bb", "F"]
CLASSES = [7 * place % 12 for place in range(12)]


def narrow(comma, **notes):
    """Cents by which the fifths above some notes are narrowed, in shares of a comma."""
    return {note.replace("s", "#"): float(Fraction(part)) * comma for note, part in notes.items()}


def plus(*parts):
    return {note: cents for part in parts for note, cents in part.items()}


WOLF = {note: "1/4" for note in ["Eb", "Bb", "F", "C", "G", "D", "A", "E", "B", "Fs", "Cs"]}
#: What the fifth above each note is narrowed by; the others are pure.
CIRCLES = {
    "bach-lehman": plus(
        narrow(PYTHAGOREAN, F="1/6", C="1/6", G="1/6", D="1/6", A="1/6"),
        narrow(PYTHAGOREAN, Cs="1/12", Gs="1/12", Eb="1/12", Bb="-1/12"),
    ),
    "equal": narrow(PYTHAGOREAN, **{note.replace("#", "s"): "1/12" for note in ROUND}),
    "kirnberger-3": plus(
        narrow(SYNTONIC, C="1/4", G="1/4", D="1/4", A="1/4"), {"F#": PYTHAGOREAN - SYNTONIC}
    ),
    "meantone-quarter": plus(
        narrow(SYNTONIC, **WOLF), {"G#": PYTHAGOREAN - Fraction(11, 4) * SYNTONIC}
    ),
    "pythagorean": narrow(PYTHAGOREAN, Gs="1"),
    "vallotti": narrow(PYTHAGOREAN, F="1/6", C="1/6", G="1/6", D="1/6", A="1/6", E="1/6"),
    "werckmeister-3": narrow(PYTHAGOREAN, C="1/4", G="1/4", D="1/4", B="1/4"),
    "young-1": plus(
        narrow(SYNTONIC, C="3/16", G="3/16", D="3/16", A="3/16"),
        narrow(PYTHAGOREAN - 3 / 4 * SYNTONIC, E="1/4", B="1/4", Bb="1/4", F="1/4"),
    ),
    "young-2": narrow(PYTHAGOREAN, C="1/6", G="1/6", D="1/6", A="1/6", E="1/6", B="1/6"),
}
#: Figures in print, in cents above C, to compare with: to 0.1, or as rounded there.
PUBLISHED = {
    "werckmeister-3": [0, 90.225, 192.18, 294.135, 390.225, 498.045, 588.27, 696.09, 792.18,
                       888.27, 996.09, 1092.18],
    "kirnberger-3": [0, 90.225, 193.157, 294.135, 386.314, 498.045, 590.224, 696.578, 792.18,
                     889.735, 996.09, 1088.269],
    "vallotti": [0, 94.135, 196.09, 298.045, 392.18, 501.955, 592.18, 698.045, 796.09, 894.135,
                 1000, 1090.225],
    "young-1": [0, 93.9, 195.8, 297.8, 391.7, 499.9, 591.9, 697.9, 795.8, 893.8, 999.8, 1091.8],
    "young-2": [0, 90.2, 196.1, 294.1, 392.2, 498.0, 588.3, 698.0, 792.2, 894.1, 996.1, 1090.2],
    "meantone-quarter": [0, 76.049, 193.157, 310.265, 386.314, 503.422, 579.471, 696.578,
                         772.627, 889.735, 1006.843, 1082.892],
    "bach-lehman": [0, 98, 196.1, 298, 392.2, 502, 596.1, 698, 798, 894.1, 998, 1094.1],
}  # fmt: skip


def fifths_of(cents):
    """The 12 fifths above the notes of `ROUND`, each within the octave."""
    around = np.array(cents)[CLASSES]
    return (np.roll(around, -1) - around) % 1200


def test_all_that_is_shipped_is_tested():
    assert set(tuning_names()) == {*CIRCLES, "secor-victorian"}


@pytest.mark.parametrize("name", CIRCLES)
def test_each_scale_is_its_circle_of_fifths(name):
    fifths = fifths_of(load_tuning(name).cents)
    wanted = PURE - np.array([CIRCLES[name].get(note, 0.0) for note in ROUND], float)
    assert wanted.sum() == pytest.approx(7 * 1200, abs=1e-9), "the circle closes"
    assert fifths == pytest.approx(wanted, abs=2e-9)


@pytest.mark.parametrize("name", PUBLISHED)
def test_each_scale_is_as_published(name):
    assert load_tuning(name).cents == pytest.approx(PUBLISHED[name], abs=0.06)


@pytest.mark.parametrize("name", tuning_names())
def test_each_file_tells_its_source_and_says_itself_what_it_is(name):
    text = (places.tunings() / f"{name}.scl").read_text(encoding="ascii")
    assert text.startswith(f"! {name}.scl\n")
    degrees, description = parse_scl(text)
    assert len(degrees) == 12 and degrees[-1] == 1200
    assert len(description) > 10
    decimals = re.findall(r"^ \d+\.(\d+)", text, re.MULTILINE)
    assert all(len(digits) >= 6 for digits in decimals)
    assert "! The circle of fifths" in text and "! Source: " in text


def test_the_folders_page_tells_of_each_file():
    page = (places.tunings() / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([\w-]+)\.scl` \|.*\| ([^|]+), ([^|]+) \| ([^|]+) \|$", page, re.M)
    assert sorted(name for name, *_ in rows) == list(tuning_names())
    for name, *told in rows:
        cents = np.array(load_tuning(name).cents)
        thirds = (np.roll(cents, -4) - cents) % 1200 - 1200 * np.log2(5 / 4)
        found = thirds[0], fifths_of(cents)[0] - PURE, thirds[np.abs(thirds).argmax()]
        numbers = [float(text.replace("−", "-")) for text in told]
        assert numbers == pytest.approx(found, abs=0.051), name


def test_secors_triads_beat_in_step():
    """What his ratios are for: beats of a triad's intervals in ratios of small numbers."""
    lines = (places.tunings() / "secor-victorian.scl").read_text(encoding="ascii").splitlines()
    ratios = [Fraction(1), *(Fraction(line) for line in lines if re.match(r" \d+/\d+$", line))]

    def beats(root):
        third, fifth = (
            ratios[(root + up) % 12] * 2 ** ((root + up) // 12) / ratios[root] for up in (4, 7)
        )
        rates = (3 - 2 * fifth, 4 * third - 5, 6 * third - 5 * fifth)
        return tuple(float(rate / rates[0]) for rate in rates)

    told = {"Eb": (35, 55), "Bb": (25, 40), "F": (15, 25), "C": (5, 10), "G": (2, 5.5),
            "D": (4, 8.5), "A": (5, 10), "E": (17, 28)}  # fmt: skip
    for note, (third, minor) in told.items():
        assert beats(CLASSES[ROUND.index(note)]) == (1, third, minor), note


def test_young_is_vallotti_a_fifth_higher():
    young, vallotti = load_tuning("young-2"), load_tuning("vallotti")
    assert young.deviations(0) == pytest.approx(vallotti.deviations(7), abs=1e-8)
