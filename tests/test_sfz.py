"""SFZ files: what their text says, and how they fail."""

import pathlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recordings import add_chunk, sine, smpl, unreadable

from coconet.errors import ChoraleError
from coconet.render.regions import LOUDEST
from coconet.render.samples import open_samples
from coconet.render.sfz import parse_sfz
from coconet.render.sfz_regions import sfz_regions
from coconet.tuning import equal_frequencies

EQUAL = equal_frequencies()


@pytest.fixture
def folder(tmp_path):
    """Two samples of a second, one in a folder with a blank in its name."""
    sine(tmp_path / "a.wav", 440, seconds=1)
    sine(tmp_path / "My Samples" / "C 4 soft.wav", EQUAL[60], seconds=1)
    return tmp_path


def text_of(folder, text, name="set.sfz"):
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def regions_of(folder, text):
    return open_samples(text_of(folder, text)).regions


def values(folder, text):
    """The opcodes of each region as plain words."""
    sections, _ = parse_sfz(text_of(folder, text))
    return [{name: opcode.value for name, opcode in one.opcodes.items()} for one in sections]


# --- the text -------------------------------------------------------------------


def test_regions_inherit_from_the_nearest_header(folder):
    text = """
    <control> default_path=x/
    <global> volume=1 pan=1 tune=1 offset=1
    <master> pan=2 tune=2 offset=2
    <group> tune=3 offset=3
    <region> offset=4 sample=a.wav
    <region> sample=a.wav
    <group>
    <region> sample=a.wav
    <master>
    <region> sample=a.wav
    <global>
    <region> sample=a.wav
    """
    shared = {"default_path": "x/", "sample": "a.wav"}
    assert values(folder, text) == [
        shared | {"volume": "1", "pan": "2", "tune": "3", "offset": "4"},
        shared | {"volume": "1", "pan": "2", "tune": "3", "offset": "3"},
        shared | {"volume": "1", "pan": "2", "tune": "2", "offset": "2"},
        shared | {"volume": "1", "pan": "1", "tune": "1", "offset": "1"},
        shared,
    ]


def test_a_control_header_ends_no_group(folder):
    """It counts for what follows; what the global header says stays."""
    text = """
    <control> default_path=x/
    <global> volume=1
    <group> pan=2
    <region> key=60
    <control> default_path=y/
    <region> key=61
    """
    shared = {"volume": "1", "pan": "2"}
    assert values(folder, text) == [
        shared | {"default_path": "x/", "key": "60"},
        shared | {"default_path": "y/", "key": "61"},
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<region>sample=a.wav key=60", {"sample": "a.wav", "key": "60"}),
        ("<region> key=60 sample=My Samples\\C 4 soft.wav", {"key": "60", "sample": ...}),
        ("<region> sample=My Samples\\C 4 soft.wav key=60", {"sample": ..., "key": "60"}),
        ("<region> // key=1\nkey=60 /* key=2\nkey=3 */ lovel=4", {"key": "60", "lovel": "4"}),
        ("<region> key=60 /* never closed\n<region>", {"key": "60"}),
        ("#define $K 60\n<region> key=$K lovel=$K", {"key": "60", "lovel": "60"}),
        (
            "#define $K 6\n#define $KEY 61\n<region> key=$KEY lovel=$K1",
            {"key": "61", "lovel": "61"},
        ),
        ("#define $A 6\n#define $B $A1\n<region> key=$B", {"key": "61"}),
        ("<REGION> KEY=60", {"key": "60"}),
        ("<region> key=60\r\nlovel=1\r\n", {"key": "60", "lovel": "1"}),
        ("<curve> v000=0 <region> key=60", {"key": "60"}),
        ("<region> key=60 key=61", {"key": "61"}),
        ("<region> sample=a" + " " * 19_000 + "!", {"sample": "a" + " " * 19_000 + "!"}),
    ],
)
def test_the_text_in_all_its_spellings(folder, text, expected):
    sample = "My Samples\\C 4 soft.wav"
    expected = {name: sample if value is ... else value for name, value in expected.items()}
    assert values(folder, text) == [expected]


def test_files_within_files(folder):
    (folder / "parts").mkdir()
    text_of(folder, '<region> key=$K\n#include "parts/deep.txt"', "parts/one.txt")
    text_of(folder, "sample=a.wav", "parts/deep.txt")
    text = """
    #define $K 60
    #include "parts\\one.txt"
    #define $K 62
    #include "parts/one.txt"
    """
    assert values(folder, text) == [
        {"key": "60", "sample": "a.wav"},
        {"key": "62", "sample": "a.wav"},
    ]


def test_text_that_is_neither_is_said_with_its_place(folder):
    samples = open_samples(text_of(folder, "<region> sample=a.wav\n  key=60\n ???\n"))
    assert samples.warnings == ("set.sfz:3: not understood: '???'",)


def test_much_that_isn_t_understood_is_counted(folder):
    path = text_of(folder, "<region> sample=a.wav\n" + "x\n" * 1000)
    warnings = open_samples(path).warnings
    assert len(warnings) == 21 and warnings[0] == "set.sfz:2: not understood: 'x'"
    assert warnings[-1] == "set.sfz: not understood at 980 more places"
    with pytest.raises(ChoraleError, match="not understood, as 10000 other places"):
        open_samples(text_of(folder, "<region>\n" + "x\n" * 20_000))


def test_old_files_are_in_latin_1(tmp_path):
    sine(tmp_path / "flügel.wav", 440)
    (tmp_path / "set.sfz").write_bytes("<region> sample=flügel.wav".encode("latin-1"))
    assert open_samples(tmp_path / "set.sfz").regions[0].path.name == "flügel.wav"


BAD_TEXT = [
    ("", "expected a <region>, got none"),
    ("<group> key=60", "expected a <region>, got none"),
    ("key=60", r"set.sfz:1: expected a header such as <region>, got 'key=60'"),
    ("<regoin> key=60", r"set.sfz:1: unknown header <regoin>; did you mean region\?"),
    ("<region> sample=no.wav", r"set.sfz:1: sample 'no.wav': no such file"),
    ("<region>\nkey=60", "set.sfz:1: a region without a sample"),
    ("<region>\n sample=a.wav key=H4", "set.sfz:2: key: expected a key such as 60 or c4, got 'H4'"),
    (
        "<region> sample=a.wav\nlovel=loud",
        "set.sfz:2: lovel: expected a whole number from 0 to 127",
    ),
    ("<region> sample=a.wav\nlovel=1.5", "set.sfz:2: lovel: expected a whole number"),
    ("<region> sample=a.wav volume=nan", "set.sfz:1: volume: expected a number from -144 to 48"),
    ("<region> sample=a.wav volume=1e999", "volume: expected a number from -144 to 48"),
    ("<region> sample=a.wav pan=200", "pan: expected a number from -100 to 100"),
    ("<region> sample=a.wav offset=44100", "expected offset before the end, got 44100 of 44100"),
    ("<region> sample=a.wav loop_mode=round", "loop_mode: expected no_loop, one_shot"),
    (
        "<region> sample=a.wav loop_mode=loop_continuous loop_start=900 loop_end=800",
        "expected a loop within frames 0-44099, got 900-800",
    ),
    ("<region> sample=a.wav pitch_keycenter=sample", "a.wav tells no key"),
    ("<region> sample=a.wav volume=1_0", "volume: expected a number from .* got '1_0'"),
    ("<region> sample=a.wav tune=\u0663", "tune: expected a number from"),
    ("<region> sample=a.wav pan=inf", "pan: expected a number from -100 to 100, got 'inf'"),
    (
        "<region> sample=a.wav\ntrigger=relase",
        r"set.sfz:2: trigger: expected attack, first, .*, got 'relase'; did you mean release\?",
    ),
    ("<region>\nsample=" + "x" * 300 + ".wav", "set.sfz:2: sample 'x+…: can't be read"),
    ('<region>\n#include "' + "x" * 300 + '"', "set.sfz:2: #include 'x+…: can't be read"),
    ("<region> set_hdcc1=1_0 sample=a.wav", "set.sfz:1: set_hdcc1: expected a number, got '1_0'"),
    ("<region> " + "x" * 101 + "=1", "an opcode's name of 101 characters"),
    ("#define $" + "x" * 101 + " 1\n<region>", "#define: a name of 101 characters"),
    ("".join(f"#define $a{n} 1\n" for n in range(5001)), "more than 5000 macros"),
    (
        "#define $A " + "x" * 15_000 + "\n" + "<region> a=$A\n" * 700,
        r"set.sfz:667: macros and includes make more than 10000000 characters",
    ),
    (
        "<global> " + "\n".join(f"a{n}=1" for n in range(999)) + "\n<region>" * 3000,
        "regions inherit more than 2000000 opcodes",
    ),
    ("<region>" + ("\n" + "a=1 " * 4000) * 101, "set.sfz:102: more than 400000 opcodes"),
    ("<region> // " + "x" * 10_000_000, "set.sfz: more than 10000000 bytes of text"),
    ("<region> sample=a.wav locc1=x", "set.sfz:1: locc1: expected a number, got 'x'"),
    (
        "<region> sample=a.wav trigger=release",
        "none of 1 regions plays here: sounds of keys let go",
    ),
    ("<region> sample=*sine", "none of 1 regions plays here: generated waves"),
    ("<region> key=$K", r"set.sfz:1: \$K isn't defined"),
    ("#define $K\n<region> key=$K", r"set.sfz:1: #define \$K: expected a value, got none"),
    ('<region>\n#include "no.txt"', "set.sfz:2: #include 'no.txt': no such file"),
    ('#include "/dev/zero"', "no such file"),
    ('#include "set.sfz"', r"set.sfz:1: set.sfz includes itself \(set.sfz > set.sfz\)"),
    ('#include "ping.txt"', r"pong.txt:1: ping.txt includes itself"),
    ("<region> \0", "not an SFZ text file"),
    ("<region> " + "x" * 30_000, "a line of 30009 characters"),
    ("<region> " + "\n".join(f"a{n}=1" for n in range(1001)), "more than 1000 opcodes of one"),
    (
        "#define $A "
        + "x" * 999
        + "\n"
        + "".join(
            f"#define ${b} ${a}${a}${a}${a}\n" for a, b in zip("ABCDEF", "BCDEFG", strict=True)
        ),
        "macros make a line of more than 20000 characters",
    ),
]


@pytest.mark.parametrize(("text", "complaint"), BAD_TEXT)
def test_bad_text_is_refused_with_file_and_line(folder, text, complaint):
    text_of(folder, '#include "pong.txt"', "ping.txt")
    text_of(folder, '#include "ping.txt"', "pong.txt")
    with pytest.raises(ChoraleError, match=complaint) as caught:
        open_samples(text_of(folder, text))
    assert "\n" not in str(caught.value)


def test_files_that_include_ever_more_are_refused(folder):
    for depth in range(20):
        text_of(folder, f'#include "{depth + 1}.txt"', f"{depth}.txt")
    with pytest.raises(ChoraleError, match="more than 16 deep"):
        parse_sfz(folder / "0.txt")
    text_of(folder, "", "empty.txt")
    with pytest.raises(ChoraleError, match="more than 1000 files"):
        parse_sfz(text_of(folder, '#include "empty.txt"\n' * 1001))
    with pytest.raises(ChoraleError, match="more than 20000 regions"):
        parse_sfz(text_of(folder, "<region>" * 2000 + "\n" + "<region>\n" * 18_001))


def test_a_broken_sample_is_named_with_the_line_that_asks_for_it(folder):
    path = sine(folder / "cut.wav", 440)
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(ChoraleError, match=r"set.sfz:1: sample .*cut.wav: truncated"):
        open_samples(text_of(folder, "<region> sample=cut.wav"))


@given(st.text(alphabet='<>region=#define$A "include/*\n samplekey0', max_size=200))
def test_any_text_is_regions_or_refused(tmp_path_factory, text):
    folder = tmp_path_factory.getbasetemp()
    try:
        sections, _ = parse_sfz(text_of(folder, text, "any.sfz"))
    except ChoraleError as error:
        assert "\n" not in str(error)
    else:
        assert sections


# --- what it means ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("opcodes", "keys", "velocities"),
    [
        ("", (0, 127), (1, 127)),
        ("key=60", (60, 60), (1, 127)),
        ("key=c4", (60, 60), (1, 127)),
        ("lokey=a0 hikey=C#1", (21, 25), (1, 127)),
        ("key=60 lokey=50 hikey=70", (50, 70), (1, 127)),
        ("lokey=-1 hikey=10", (0, 10), (1, 127)),
        ("lovel=0 hivel=64", (0, 127), (1, 64)),
        ("lovel=65 key=db4", (61, 61), (65, 127)),
        ("note_offset=1 octave_offset=-1 key=60", (49, 49), (1, 127)),
        ("lokey=50 hikey=70 key=60", (60, 60), (1, 127)),
    ],
)
def test_ranges(folder, opcodes, keys, velocities):
    (region,) = regions_of(folder, f"<region> sample=a.wav {opcodes}")
    assert (region.keys, region.velocities) == (keys, velocities)


@pytest.mark.parametrize(
    ("opcodes", "key"),
    [
        ("", 60),
        ("key=69", 69),
        ("key=69 pitch_keycenter=57", 57),
        ("pitch_keycenter=a3", 57),
        ("key=69 tune=10", 68.9),  # raised by a player: it was recorded too low
        ("key=69 transpose=12", 57),
        ("key=69 transpose=-1 tune=-50", 70.5),
        ("key=69 note_offset=12", 81),
        ("pitch_keycenter=sample", 70.25),
    ],
)
def test_the_frequency_of_a_recording(folder, opcodes, key):
    add_chunk(folder / "a.wav", smpl(70, 0.25))
    (region,) = regions_of(folder, f"<region> sample=a.wav {opcodes}")
    assert region.hz == pytest.approx(440 * 2 ** ((key - 69) / 12), rel=1e-12)


@pytest.mark.parametrize(
    ("opcodes", "field", "expected"),
    [
        ("volume=-6 group_volume=1 master_volume=2 global_volume=0.5", "gain", -2.5),
        ("amplitude=50", "gain", 20 * np.log10(0.5)),
        ("gain=3", "gain", 3),
        ("pan=-50", "pan", -0.5),
        ("offset=100", "offset", 100),
        ("end=999", "end", 1000),
        ("end=99999", "end", 44100),
        ("", "end", 44100),
        ("ampeg_attack=.5", "attack", 0.5),
        ("ampeg_hold=.5", "hold", 0.5),
        ("ampeg_decay=.5", "decay", 0.5),
        ("ampeg_sustain=25", "sustain", 0.25),
        ("ampeg_release=2", "release", 2),
        ("", "release", 0.01),  # shorter would click
        ("", "mode", "no_loop"),
        ("loopmode=one_shot", "mode", "one_shot"),
        ("loop_mode=loop_continuous", "loop", (0, 44100)),
        ("loop_mode=loop_sustain loopstart=10 loopend=19", "loop", (10, 20)),
        ("loop_mode=no_loop loopstart=10 loopend=19", "loop", None),
        ("amp_veltrack=50", "track", 0.5),
    ],
)
def test_how_a_region_plays(folder, opcodes, field, expected):
    (region,) = regions_of(folder, f"<region> sample=a.wav {opcodes}")
    found = getattr(region, field)
    assert found == (expected if not isinstance(expected, float) else pytest.approx(expected))


@pytest.mark.parametrize(
    ("opcodes", "mode", "loop"),
    [
        ("", "loop_continuous", (1000, 2001)),
        ("loop_mode=no_loop", "no_loop", None),
        ("loop_mode=loop_sustain", "loop_sustain", (1000, 2001)),
        ("loop_start=500", "loop_continuous", (500, 2001)),
    ],
)
def test_the_loop_of_the_file_counts_where_the_text_says_nothing(folder, opcodes, mode, loop):
    add_chunk(folder / "a.wav", smpl(69, 0, [(0, 1000, 2000)]))
    (region,) = regions_of(folder, f"<region> sample=a.wav {opcodes}")
    assert (region.mode, region.loop) == (mode, loop)


@pytest.mark.parametrize("opcodes", ["end=999", "offset=2001", "loop_mode=loop_sustain end=999"])
def test_a_loop_of_the_file_outside_what_plays_is_left_out_and_said(folder, opcodes):
    add_chunk(folder / "a.wav", smpl(69, 0, [(0, 1000, 2000)]))
    samples = open_samples(text_of(folder, f"<region> sample=a.wav {opcodes}"))
    assert (samples.regions[0].mode, samples.regions[0].loop) == ("no_loop", None)
    (warning,) = samples.warnings
    assert "1 of 1 regions, from set.sfz:1 on, play without the loop of their file" in warning
    with pytest.raises(ChoraleError, match="expected a loop within frames"):
        regions_of(folder, f"<region> sample=a.wav {opcodes} loop_end=1500")


def test_a_loop_of_all_that_plays_begins_at_the_offset(folder):
    (region,) = regions_of(folder, "<region> sample=a.wav loop_mode=loop_continuous offset=100")
    assert region.loop == (100, 44100)


@pytest.mark.parametrize(
    ("method", "name", "complaint"),
    [
        ("is_file", "set.sfz", "set.sfz: can't be read"),
        ("is_file", "part.txt", "set.sfz:2: #include 'part.txt': can't be read"),
        ("iterdir", "sub", "set.sfz:1: sample 'sub/B.wav': can't be read"),
        ("open", "a.wav", r"set.sfz:1: sample .*a.wav: can't be read"),
    ],
)
def test_what_the_system_refuses_is_told_with_its_place(
    folder, monkeypatch, method, name, complaint
):
    sine(folder / "sub" / "b.wav", 440, seconds=0.1)
    text_of(folder, "", "part.txt")
    sample = "sub/B.wav" if name == "sub" else "a.wav"
    path = text_of(folder, f'<region> sample={sample}\n#include "part.txt"')
    unreadable(monkeypatch, pathlib.Path, method, name)
    with pytest.raises(ChoraleError, match=complaint) as caught:
        sfz_regions(path)
    assert "Permission denied" in str(caught.value)


def test_velocity_is_amplitude_by_the_square_as_far_as_it_is_tracked(folder):
    texts = [f"<region> sample=a.wav amp_veltrack={track}" for track in (100, 0, -100, 50)]
    full, none, reverse, half = (regions_of(folder, text)[0] for text in texts)
    amplitudes = [10 ** (one.level(np.array([127, 64])) / 20) for one in (full, none, half)]
    square = (64 / 127) ** 2
    assert np.allclose(amplitudes, [[1, square], [1, 1], [1, 0.5 + square / 2]])
    assert reverse.level(64) > reverse.level(100) > reverse.level(127)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("trigger=release", "sounds of keys let go"),
        ("trigger=legato", "only legato"),
        ("seq_length=2 seq_position=2", "other takes"),
        ("lorand=0.5 hirand=1", "other takes"),
        ("sw_last=25", "other articulations"),
        ("locc64=64 hicc64=127", "a controller"),
        ("on_locc64=64", "a controller"),
        ("pitch_keytrack=0", "follow the keys"),
        ("end=-1", "switched off"),
        ("hikey=-1", "switched off"),
        ("lokey=70 hikey=60", "switched off"),
        ("sample=*noise", "generated waves"),
        ("volume=-144", "too soft to be heard"),
        ("volume=-60 group_volume=-21", "too soft to be heard"),
        ("amplitude=0", "too soft to be heard"),
    ],
)
def test_what_never_plays_here_is_left_out_and_said(folder, text, said):
    """Missing samples of what never plays don't matter."""
    samples = open_samples(
        text_of(
            folder,
            "<control> set_cc1=5\n<region> sample=a.wav sw_last=24 locc64=0 hicc64=63 locc1=5\n"
            f"<region> sample=missing.wav {text}\n",
        )
    )
    assert [region.path.name for region in samples.regions] == ["a.wav"]
    assert len(samples.warnings) == 1 and "1 of 2 regions left out" in samples.warnings[0]
    assert said in samples.warnings[0]
    assert "from set.sfz:3 on" in samples.warnings[0]


@pytest.mark.parametrize(
    ("opcodes", "plays"),
    [
        ("set_hdcc1=0.5 locc1=64", False),  # at 63.5
        ("set_hdcc1=0.5 locc1=63", True),
        ("set_hdcc1=0.5 hicc1=63", True),  # between 63 and 64 there is no gap
        ("set_hdcc1=0.51 hicc1=63", False),
        ("set_cc1=64 lohdcc1=0.5", True),
        ("set_cc1=63 lohdcc1=0.5", False),
        ("set_cc1=64 hihdcc1=0.5", False),
        ("set_cc1=63 hihdcc1=0.5", True),
        ("set_hdcc1=0.1 lohdcc1=0.1 hihdcc1=0.1", True),
        ("set_cc1=1 set_hdcc1=1 locc1=127", True),  # the later one counts
        ("lohdcc7=0.8", False),  # at 100 of 127
        ("lohdcc7=0.7", True),
        ("on_lohdcc1=0.5", False),
    ],
)
def test_where_controllers_stand(folder, opcodes, plays):
    text = f"<region> sample=a.wav key=60 {opcodes} <region> sample=a.wav key=61"
    assert len(regions_of(folder, text)) == 1 + plays


def test_the_default_key_switch_counts(folder):
    text = "<global> sw_default=c1 <region> sample=a.wav sw_last=23 <region> sample={} sw_last=24"
    (region,) = regions_of(folder, text.format("My Samples/C 4 soft.wav"))
    assert region.path.name == "C 4 soft.wav"


def test_unknown_opcodes_are_named_once(folder):
    text = "<region> sample=a.wav cutoff=100\n<region> sample=a.wav cutoff=200 fil_type=lpf_2p"
    (unknown, hidden) = open_samples(text_of(folder, text)).warnings
    assert "cutoff (set.sfz:1), fil_type (set.sfz:2)" in unknown
    assert "1 of 2 regions, from set.sfz:2 on, lie over earlier ones" in hidden


@pytest.mark.parametrize(
    "name", ["my samples/c 4 SOFT.WAV", "..\\{}\\A.wav", "My Samples/../a.wav", "./a.wav"]
)
def test_names_of_files_in_any_case_and_with_either_slash(folder, name):
    (region,) = regions_of(folder, f"<region> sample={name.format(folder.name)}")
    assert region.path.is_file()


def test_a_region_s_key_counts_before_what_its_group_says(folder):
    """As in players, which read the group's opcodes first."""
    text = "<group> lokey=10 hikey=20 pitch_keycenter=c2 <region> sample=a.wav key=69"
    (region,) = regions_of(folder, text)
    assert region.keys == (69, 69) and region.hz == 440


def test_many_unknown_opcodes_are_counted_and_only_what_plays_has_any(folder):
    text = "<region> sample=a.wav " + " ".join(f"eq{n}_gain=1" for n in range(10, 40))
    text += "<region> sample=a.wav trigger=release rt_decay=3"
    unknown = open_samples(text_of(folder, text)).warnings[-1]
    assert unknown.endswith(" and 10 more") and "rt_decay" not in unknown


@settings(max_examples=40)
@given(data=st.data())
def test_the_first_of_several_regions_plays(tmp_path_factory, data):
    """Compared with a search from the top, note by note."""
    folder = tmp_path_factory.getbasetemp()
    if not (folder / "a.wav").exists():
        sine(folder / "a.wav", 440, seconds=0.01)
    ranges = st.tuples(*[st.integers(0, 127)] * 4)
    boxes = data.draw(st.lists(ranges, min_size=1, max_size=5))
    boxes = [(*sorted(box[:2]), *sorted(box[2:])) for box in boxes]
    lines = [
        f"<region> sample=a.wav lokey={low} hikey={high} lovel={soft} hivel={max(loud, 1)}"
        for low, high, soft, loud in boxes
    ]
    samples = open_samples(text_of(folder, "\n".join(lines), "any.sfz"))
    notes = st.tuples(st.integers(0, 127), st.integers(1, LOUDEST))
    for key, velocity in data.draw(st.lists(notes, max_size=5)):
        fits = [
            low <= key <= high and soft <= velocity <= max(loud, 1)
            for low, high, soft, loud in boxes
        ]
        expected = fits.index(True) if any(fits) else -1
        assert samples.choose(np.array([key]), np.array([velocity])).tolist() == [expected]
