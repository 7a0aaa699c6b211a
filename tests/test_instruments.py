"""The instruments by name, and which voices they play."""

import re
from pathlib import Path

import pytest

from coconet.errors import ChoraleError
from coconet.render import instruments
from coconet.render.instruments import INSTRUMENTS, Part, parse_part, parse_parts

ORCHESTRA = Path(instruments.__file__).parent / "orchestra"


def test_every_instrument_has_an_orchestra_and_says_what_it_is():
    assert {file.stem for file in ORCHESTRA.glob("*.orc")} == {"header", *INSTRUMENTS}
    for name, instrument in INSTRUMENTS.items():
        assert instrument.name == name and instrument.what
        assert re.search(rf"^instr {name}$", (ORCHESTRA / f"{name}.orc").read_text(), re.M)
        assert 0 < instrument.ring < 1
        assert instrument.needs in ("", "soundfont", "samples")
        assert len(dict(instrument.variants)) == len(instrument.variants)
    programs = {name: one.program for name, one in INSTRUMENTS.items()}
    assert programs == {
        "piano": 0,
        "organ": 19,
        "strings": 48,
        "choir": 52,
        "harpsichord": 6,
        "clavichord": 7,
        "samples": None,
    }
    assert [name for name, one in INSTRUMENTS.items() if one.needs_font] == ["piano"]


def test_an_instrument_rings_as_long_as_its_orchestra_says():
    for name, instrument in INSTRUMENTS.items():
        text = (ORCHESTRA / f"{name}.orc").read_text()
        for fade in re.findall(r"^ *iFade = (\S+)$", text, re.M):
            assert instrument.ring == float(fade), name


@pytest.mark.parametrize("name", INSTRUMENTS)
def test_a_variant_is_read_back_from_its_name(name):
    instrument = INSTRUMENTS[name]
    assert parse_part(name) == Part(instrument)
    for number, (variant, _) in enumerate(instrument.variants):
        part = parse_part(f" {name} : {variant}")
        assert part == Part(instrument, number)
        assert parse_part(str(part)) == part == parse_part(part)


@pytest.mark.parametrize(
    ("instrument", "voices", "expected"),
    [
        ("organ", 3, "organ organ organ"),
        ("choir,organ", 2, "choir organ"),
        (["choir", "organ:flutes"], 2, "choir organ:flutes"),
        (parse_part("strings"), 1, "strings"),
        ("choir,strings,strings,organ", 8, "choir strings strings organ " * 2),
        ("choir,strings,strings,organ", 6, "choir strings strings organ choir strings"),
        ("piano,organ,choir", 3, "piano organ choir"),
    ],
)
def test_each_voice_has_its_instrument(instrument, voices, expected):
    assert " ".join(map(str, parse_parts(instrument, voices))) == expected.strip()


@pytest.mark.parametrize(
    ("instrument", "voices", "message"),
    [
        ("kazoo", 4, "expected piano, organ, .* or samples, got 'kazoo'"),
        ("organ:flute", 4, "expected one of organ:principals, .*did you mean flutes"),
        ("clavichord:loud", 4, "no variants; write 'clavichord'"),
        ("organ:", 4, "expected one of organ:principals"),
        ("organ,,choir", 3, "expected piano"),
        ("", 4, "expected piano"),
        ("organ,choir", 4, "one for all or one for each of 4 voices, got 2"),
        ("organ,choir", 8, "one for all, 4 for every quartet or one for each of 8 voices, got 2"),
        ("organ,choir", 1, "one for each of 1 voice, got 2"),
        ([], 4, "got 0"),
        (7, 4, "a name such as 'organ', got 7"),
        (None, 4, "got None"),
        ("organ", 0, "voices: expected a whole number"),
    ],
)
def test_what_is_no_band_is_refused(instrument, voices, message):
    with pytest.raises(ChoraleError, match=message) as caught:
        parse_parts(instrument, voices)
    assert "\n" not in str(caught.value)
