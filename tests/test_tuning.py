"""Temperaments: what Scala files say, and what is refused."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coconet import places
from coconet.errors import ChoraleError
from coconet.scala import parse_kbm, parse_scl
from coconet.tuning import (
    Tuning,
    equal_frequencies,
    load_tuning,
    parse_reference,
    tuning_names,
)

EQUAL = [f"{100 * degree}." for degree in range(1, 12)] + ["2/1"]
MEANTONE = """! meanquar.scl
!
1/4-comma meantone scale. Pietro Aaron's temperament (1523)
 12
!
 76.04900
 193.15686 cents
\t310.26471
 5/4   E\\
 503.42157
 579.47057
 696.57843
 25/16
 889.73529
 1006.84314
 1082.89214
 2
"""
KBM = ["12", "0", "127", "60", "69", "440.0", "12", *map(str, range(12))]


def scale_text(pitches, count=None, description="a scale"):
    return "\n".join([description, str(len(pitches) if count is None else count), *pitches]) + "\n"


def write(folder, name, text):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_secor_victorian_on_c():
    tuning = load_tuning("secor-victorian")
    hz = tuning.frequencies(tonic=0)
    assert hz.shape == (128,)
    assert hz[69] == pytest.approx(440, abs=1e-9)
    assert hz[60] == pytest.approx(262.431, abs=5e-4)
    assert hz[64] / hz[60] == pytest.approx(755 / 602, rel=1e-12)
    assert hz[67] / hz[60] == pytest.approx(451 / 301, rel=1e-12)
    assert np.abs(tuning.deviations(0)).max() < 5.4
    assert load_tuning() == tuning, "it is the default"


@pytest.mark.parametrize("tonic", range(12))
def test_the_tonic_takes_degree_0_along_and_a_stays_at_440(tonic):
    tuning = load_tuning("secor-victorian")
    hz = tuning.frequencies(tonic)
    assert hz[69] == pytest.approx(440, abs=1e-9)
    assert hz[60 + tonic + 4] / hz[60 + tonic] == pytest.approx(755 / 602, rel=1e-12)
    assert np.allclose(hz[12:], 2 * hz[:-12], rtol=1e-12)
    assert (np.diff(hz) > 0).all()
    assert tuning.deviations(tonic)[9] == pytest.approx(0, abs=1e-9)


def test_equal_is_equal_everywhere():
    for tonic in range(12):
        assert np.allclose(load_tuning("equal").frequencies(tonic), equal_frequencies())
        assert np.allclose(load_tuning("equal").deviations(tonic), 0, atol=1e-9)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text,
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("\n", "\r"),
        lambda text: text.rstrip("\n"),
        lambda text: text + "\n\n! the end\n",
        lambda text: "\ufeff" + text,
        lambda text: text + "\x1a",
        lambda text: text.replace("Aaron", "Áaron").encode("latin-1"),
    ],
)
def test_the_same_scale_in_many_clothes(tmp_path, change):
    tuning = load_tuning(write(tmp_path, "meanquar.scl", change(MEANTONE)))
    assert tuning.name == "meanquar"
    assert tuning.description.startswith("1/4-comma meantone")
    hz = tuning.frequencies(tonic=0)
    assert hz[64] / hz[60] == pytest.approx(5 / 4, rel=1e-12)
    assert hz[68] / hz[60] == pytest.approx(25 / 16, rel=1e-12)
    assert 1200 * np.log2(hz[67] / hz[60]) == pytest.approx(696.57843, abs=1e-6)


def test_an_empty_description_counts_as_a_line():
    degrees, description = parse_scl(scale_text(EQUAL, description=""))
    assert (len(degrees), description) == (12, "")


def test_the_formats_own_examples_of_pitch_lines():
    """The valid lines that the format's page lists, and what they mean."""
    lines = {
        "81/64": 407.820,
        "408.0": 408.0,
        "408.": 408.0,
        "5": 2786.314,
        "-5.0": -5.0,
        "10/20": -1200.0,
        "100.0 cents": 100.0,
        " 100.0 C#": 100.0,
        " 5/4   E\\": 386.314,
    }
    degrees, _ = parse_scl(scale_text(list(lines)))
    assert np.allclose(degrees, list(lines.values()), atol=1e-3)


@settings(max_examples=25)
@given(st.sets(st.integers(1, 1_199_999), min_size=11, max_size=11))
def test_written_cents_come_back(thousandths):
    cents = [value / 1000 for value in sorted(thousandths)]
    text = scale_text([f"{value:.3f}" for value in cents] + ["2/1"])
    assert parse_scl(text)[0] == pytest.approx([*cents, 1200.0], abs=1e-9)


BAD_SCALES = [
    (scale_text(EQUAL[1:]), "expected 12 notes to the octave, got 11"),
    (scale_text(["50.", *EQUAL]), "expected 12 notes to the octave, got 13"),
    (scale_text(EQUAL, count=13), "says 13 notes but holds 12"),
    (scale_text(EQUAL, count=11), "says 11 notes but holds 12"),
    (scale_text(["0/1", *EQUAL[1:]]), "line 3: expected a ratio above zero"),
    (scale_text(["5/0", *EQUAL[1:]]), "line 3: expected a ratio above zero"),
    (scale_text([*EQUAL[:4], "-3/2", *EQUAL[5:]]), "line 7: expected a ratio above zero"),
    (scale_text([*EQUAL[:2], "abc", *EQUAL[3:]]), "line 5: expected cents .* got 'abc'"),
    (scale_text([*EQUAL[:2], ".", *EQUAL[3:]]), "line 5: expected cents"),
    (scale_text([*EQUAL[:2], "nan", *EQUAL[3:]]), "line 5: expected cents"),
    (scale_text([*EQUAL[:2], "300,5", *EQUAL[3:]]), "line 5: expected cents"),
    (scale_text([*EQUAL[:2], "9" * 5000, *EQUAL[3:]]), "line 5: expected cents"),
    (scale_text(["200.", "100.", *EQUAL[2:]]), "rising notes, but degree 2"),
    (scale_text(["0.", *EQUAL[1:]]), "rising notes, but degree 1"),
    (scale_text([*EQUAL[:11], "3/1"]), "octave, 2/1"),
    (scale_text([*EQUAL[:11], "1190."]), "octave, 2/1"),
    (scale_text(EQUAL, count="twelve"), "line 2: expected the number of notes"),
    ("", "is it empty"),
    ("! only a comment\n", "is it empty"),
    ("a description\n", "number of notes"),
    ("a description\n\n", "number of notes"),
    (b"MThd\x00\x00\x00\x06", "not a Scala text file"),
    (b"a\n" * 600_000, "not a Scala text file"),
]


@pytest.mark.parametrize(("text", "message"), BAD_SCALES)
def test_a_bad_scale_is_refused_by_file_and_line(tmp_path, text, message):
    path = write(tmp_path, "bad.scl", text)
    with pytest.raises(ChoraleError, match=message) as caught:
        load_tuning(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


LONG = "x" * 300


@pytest.mark.parametrize(
    "path",
    ["~nobody-of-that-name/x.scl", f"{LONG}.scl", f"{LONG}/x.scl", "a\0b.scl", "a\0/b.scl"],
    ids=["no such user", "long name", "long folder", "NUL", "NUL in a folder"],
)
def test_what_no_file_can_be_called_is_told_in_a_line(path):
    for options in ({"tuning": path}, {"keyboard": path}, {"tuning": Path(path)}):
        with pytest.raises(ChoraleError, match=r"can't be read|expected the path") as caught:
            load_tuning(**options)
        message = str(caught.value)
        assert "\n" not in message and "\0" not in message and len(message) < 250


def test_what_is_no_path_is_told():
    with pytest.raises(ChoraleError, match="expected the path of a file"):
        load_tuning(keyboard=3)


def test_adaptive_is_no_temperament_but_a_near_word_leads_to_it():
    with pytest.raises(ChoraleError, match=r"is for render and purity\); did you mean adaptive\?"):
        load_tuning("adaptiv")


@pytest.mark.parametrize("tonic", ["Bb", 10, np.int64(10)])
def test_what_a_tuning_is_made_of_is_read_once(tonic):
    tuning = Tuning(
        "mine", [100.0 * step for step in range(12)], tonic=tonic, reference_key=np.int8(60)
    )
    assert (tuning.tonic, type(tuning.tonic)) == (10, int)
    assert type(tuning.reference_key) is int
    assert tuning.frequencies() == pytest.approx(tuning.frequencies("Bb"))


def test_missing_files_are_named_with_what_there_is(tmp_path):
    with pytest.raises(ChoraleError, match=r"no such tuning.*equal, .*did you mean secor-vic"):
        load_tuning("secor")
    with pytest.raises(ChoraleError, match=r"expected a name or the path of a .scl file, got 12"):
        load_tuning(12)
    with pytest.raises(ChoraleError, match="no such tuning"):
        load_tuning(tmp_path / "secor-victorian.scl")
    with pytest.raises(ChoraleError, match="can't be read"):
        load_tuning(tmp_path)


def test_names_are_looked_up_in_the_project(tmp_path, monkeypatch):
    monkeypatch.setenv("COCONET_HOME", str(tmp_path))
    places.tunings().mkdir()
    write(places.tunings(), "mine.scl", MEANTONE)
    assert load_tuning("mine") == load_tuning("mine.scl")
    assert tuning_names() == ("mine",)


def test_a_name_is_the_projects_though_something_here_is_called_so(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "equal").mkdir()
    write(tmp_path, "vallotti", MEANTONE)
    write(tmp_path, "young-2.scl", MEANTONE)
    assert load_tuning("equal").deviations() == pytest.approx(np.zeros(12), abs=1e-9)
    assert load_tuning("vallotti").description != load_tuning(tmp_path / "vallotti").description
    assert load_tuning("young-2").description != load_tuning("young-2.scl").description
    assert load_tuning("young-2.scl").cents[4] == pytest.approx(386.3137, abs=1e-3)


def test_a_keyboard_mapping_sets_pitch_and_tonic(tmp_path):
    lines = KBM.copy()
    lines[3:6] = "62", "69", "415.0"
    scl = write(tmp_path, "meanquar.scl", MEANTONE)
    kbm = write(tmp_path, "on-d.kbm", "! low pitch\r\n" + "\r\n".join(lines))
    tuning = load_tuning(scl, keyboard=kbm)
    assert tuning.tonic == 2
    hz = tuning.frequencies()
    assert hz[69] == pytest.approx(415)
    assert hz[66] / hz[62] == pytest.approx(5 / 4, rel=1e-12), "the pure third stands on D"
    assert tuning.frequencies(tonic=2) == pytest.approx(hz)


def test_a_mapping_chooses_12_of_19_notes(tmp_path):
    scl = write(
        tmp_path, "19.scl", scale_text([f"{1200 * n / 19:.6f}" for n in range(1, 19)] + ["2/1"])
    )
    with pytest.raises(ChoraleError, match="got 19; a keyboard mapping can choose 12"):
        load_tuning(scl)
    chosen = [0, 2, 3, 5, 6, 8, 10, 11, 13, 14, 16, 17]
    kbm = write(tmp_path, "19.kbm", "\n".join([*KBM[:6], "19", *map(str, chosen)]))
    hz = load_tuning(scl, keyboard=kbm).frequencies()
    assert 1200 * np.log2(hz[60:73] / hz[60]) == pytest.approx(
        [1200 * n / 19 for n in [*chosen, 19]], abs=1e-5
    )
    assert hz[69] == pytest.approx(440)


def test_a_linear_mapping_is_one_key_a_degree(tmp_path):
    scl = write(tmp_path, "a.scl", MEANTONE)
    kbm = write(tmp_path, "a.kbm", "\n".join(["0", *KBM[1:7]]))
    assert load_tuning(scl, keyboard=kbm).frequencies() == pytest.approx(
        load_tuning(scl).frequencies()
    )


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (KBM[:4], "ends before the reference key"),
        (["x", *KBM[1:]], "line 1: expected the size of the map"),
        ([*KBM[:3], "128", *KBM[4:]], "line 4: expected the middle key"),
        ([*KBM[:5], "0", *KBM[6:]], "line 6: expected the reference frequency"),
        ([*KBM[:5], "-440", *KBM[6:]], "line 6: expected the reference frequency"),
        ([*KBM[:5], "A", *KBM[6:]], "line 6: expected the reference frequency"),
        ([KBM[0], "36", "96", *KBM[3:]], "expected the keys 0 to 127, got 36 to 96"),
        ([*KBM[:-1], "x"], "key 11 of the map has no degree"),
        (KBM[:-1], "key 11 of the map has no degree"),
        ([*KBM, "3"], "line 20: more entries than the map's size"),
        (["7", *KBM[1:7], *"0123456"], "expected a map of 12 keys, got 7"),
        ([*KBM[:-1], "13"], "degree 13 isn't in the scale"),
        ([*KBM[:-2], "11", "10"], "rising notes"),
        ([*KBM[:-1], "?"], "line 19: expected a degree or x"),
        ([*KBM[:6], "11", *KBM[7:]], "octave, 2/1|rising"),
    ],
)
def test_a_mapping_that_cannot_be_honoured_is_refused(tmp_path, lines, message):
    scl = write(tmp_path, "a.scl", MEANTONE)
    kbm = write(tmp_path, "bad.kbm", "\n".join(lines))
    with pytest.raises(ChoraleError, match=message) as caught:
        load_tuning(scl, keyboard=kbm)
    assert str(kbm) in str(caught.value)


def test_a_mapping_is_read_as_it_stands():
    mapping = parse_kbm("! comment\n" + "\n".join([*KBM[:7], "0", "x", "2 d"]))
    assert mapping.degrees == (0, None, 2) + (None,) * 9
    assert (mapping.middle, mapping.reference_key, mapping.reference_hz) == (60, 69, 440.0)


@pytest.mark.parametrize("tonic", [-1, 12, 1.0, 1.5, True, np.nan, [5], "H#", "X", "", "12", "-1"])
def test_a_temperament_for_a_key_that_does_not_exist(tonic):
    with pytest.raises(ChoraleError, match=r"^tonic .*: expected a (pitch class|name such)"):
        load_tuning().frequencies(tonic)


@pytest.mark.parametrize(("name", "tonic"), [("Bb", 10), ("f#", 6), ("7", 7), (np.int64(3), 3)])
def test_a_tonic_may_be_told_by_name(name, tonic):
    assert (load_tuning().frequencies(name) == load_tuning().frequencies(tonic)).all()


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        (415, (69, 415.0)),
        (np.float32(392), (69, 392.0)),
        ("415.3", (69, 415.3)),
        ("466 Hz", (69, 466.0)),
        ("C4=256", (60, 256.0)),
        (" Bb3 = 233.08Hz ", (58, 233.08)),
        ((60, 261.6), (60, 261.6)),
        (["A3", 220], (57, 220.0)),
    ],
)
@pytest.mark.parametrize("tonic", [0, 5])
def test_any_pitch_standard(reference, expected, tonic):
    key, hz = expected
    assert parse_reference(reference) == expected
    for name in ("vallotti", "meantone-quarter"):
        found = load_tuning(name, reference=reference).frequencies(tonic)
        assert found[key] == pytest.approx(hz, rel=1e-12)
        usual = load_tuning(name).frequencies(tonic)
        assert found / found[60] == pytest.approx(usual / usual[60], rel=1e-12)


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        (0, "expected A4 at 300 to 600 Hz, such as 415 or 440, got 0 Hz"),
        (4400, "got 4400 Hz"),
        (-440, "Hz: expected a number, 0 or more"),
        (np.nan, "Hz: expected a number"),
        (np.inf, "Hz: expected a number"),
        (True, "Hz: expected a number"),
        ("high", "Hz: expected a number"),
        ("C4=440", "got 440 Hz for C4, which puts A4 at 740 Hz"),
        ("H4=440", "pitch 'H4': expected a name"),
        ("A4=", "Hz: expected a number"),
        ("A4=1=2", "expected one key and its Hz"),
        ((60,), "expected one key and its Hz"),
        ((128, 440), "key: expected a whole number, 0 to 127"),
    ],
)
def test_a_pitch_standard_that_is_none(reference, message):
    with pytest.raises(ChoraleError, match=message) as caught:
        load_tuning("vallotti", reference=reference)
    assert "\n" not in str(caught.value)


def test_a_reference_wins_over_the_keyboard_mappings(tmp_path):
    scl = write(tmp_path, "a.scl", MEANTONE)
    kbm = write(tmp_path, "a.kbm", "\n".join([*KBM[:4], "69", "392", *KBM[6:]]))
    assert load_tuning(scl, keyboard=kbm).frequencies()[69] == pytest.approx(392)
    assert load_tuning(scl, keyboard=kbm, reference=465).frequencies()[69] == pytest.approx(465)


def test_a_tuning_made_by_hand_is_checked():
    good = tuple(100.0 * degree for degree in range(12))
    assert Tuning("mine", good).frequencies()[69] == pytest.approx(440)
    nan = (*good[:11], np.nan)
    for cents in (good[:11], (1.0, *good[1:]), good[::-1], nan, 12, "equal", (*good[:11], "x")):
        with pytest.raises(ChoraleError, match="mine"):
            Tuning("mine", cents)
    for wrong in (
        {"reference_hz": 0},
        {"reference_hz": np.inf},
        {"reference_hz": "440"},
        {"reference_key": 128},
        {"reference_key": 69.0},
        {"tonic": 12},
    ):
        with pytest.raises(ChoraleError):
            Tuning("mine", good, **wrong)


def test_importing_it_loads_nothing_heavy():
    code = "import sys, coconet.tuning; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "music21", "matplotlib", "ctcsound", "scipy"} & set(done.stdout.split())
