"""SoundFonts found and checked."""

import os
import struct
from pathlib import Path

import pytest

from coconet.errors import ChoraleError
from coconet.render import soundfonts
from coconet.render.calibration import calibrate
from coconet.render.presets import Presets
from coconet.render.soundfonts import SoundFont


def font_of(body, version=2):
    info = b"sfbkLIST" + struct.pack("<I", 16) + b"INFOifil" + struct.pack("<IHH", 4, version, 1)
    content = info + body
    return b"RIFF" + struct.pack("<I", len(content)) + content


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "can't be read"),
        (b"", "not a SoundFont"),
        (b"not a font", "not a SoundFont"),
        (font_of(bytes(5000))[:-1], "truncated: 5035 of 5036 bytes"),
    ],
)
def test_what_is_no_whole_font_is_refused(tmp_path, content, message):
    path = tmp_path / "a.sf2"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ChoraleError, match=message) as caught:
        soundfonts.open_soundfont(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("name", "version"), [("a.sf2", 2), ("a.sf3", 3)])
def test_compressed_samples_are_noticed_whatever_the_name(tmp_path, name, version):
    (tmp_path / name).write_bytes(font_of(bytes(100), version))
    assert soundfonts.open_soundfont(tmp_path / name).version == version
    (tmp_path / "b.sf2").write_bytes(font_of(bytes(100), 3))
    assert soundfonts.open_soundfont(tmp_path / "b.sf2").version == 3


def test_fonts_are_found_in_order_of_quality(tmp_path, monkeypatch):
    monkeypatch.delenv("COCONET_SOUNDFONT", raising=False)
    monkeypatch.setattr(soundfonts, "soundfont_folders", lambda: [tmp_path / "none", tmp_path])
    assert soundfonts.find_soundfont() is None
    for name in ("sf_GMbank.sf2", "my own.sf2", "TimGM6mb.sf2", "FluidR3_GM.sf2"):
        (tmp_path / name).write_bytes(font_of(bytes(100)))
        assert soundfonts.find_soundfont().path.name == name
    (tmp_path / "FluidR3_GM.sf2").write_bytes(b"broken")
    assert soundfonts.find_soundfont().path.name == "TimGM6mb.sf2"
    monkeypatch.setenv("COCONET_SOUNDFONT", str(tmp_path / "my own.sf2"))
    assert soundfonts.find_soundfont().path.name == "my own.sf2"
    monkeypatch.setenv("COCONET_SOUNDFONT", str(tmp_path / "gone.sf2"))
    with pytest.raises(ChoraleError, match=r"gone\.sf2"):
        soundfonts.find_soundfont()


def test_a_folder_that_cannot_be_read_is_passed_over(tmp_path, monkeypatch):
    monkeypatch.delenv("COCONET_SOUNDFONT", raising=False)
    closed, open_ = tmp_path / "closed", tmp_path / "open"
    for folder in (closed, open_):
        folder.mkdir()
        (folder / "a.sf2").write_bytes(font_of(bytes(100)))
    (tmp_path / "file").write_text("")
    folders = [closed, tmp_path / "file", open_]
    monkeypatch.setattr(soundfonts, "soundfont_folders", lambda: folders)
    listed = Path.iterdir

    def refuse(folder):
        if folder == closed:
            raise PermissionError(13, "Permission denied")
        return listed(folder)

    monkeypatch.setattr(Path, "iterdir", refuse)
    assert soundfonts.find_soundfont().path == open_ / "a.sf2"


def test_a_font_that_vanished_is_told(tmp_path):
    path = tmp_path / "a.sf2"
    path.write_bytes(font_of(bytes(100)))
    font = soundfonts.open_soundfont(path)
    path.unlink()
    for use in (SoundFont.digest, calibrate, Presets):
        with pytest.raises(ChoraleError, match=r"a\.sf2: SoundFont can't be read any more \(No s"):
            use(font)


def test_a_digest_is_remembered_as_long_as_the_file_stays(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = tmp_path / "a.sf2"
    path.write_bytes(font_of(bytes(100)))
    read = []
    monkeypatch.setattr(soundfonts, "_digest", lambda path: read.append(path) or f"d{len(read)}")
    font = soundfonts.open_soundfont(path)
    assert [font.digest(), font.digest()] == ["d1", "d1"]
    (file,) = (tmp_path / "cache" / "coconet").iterdir()
    for spoilt in ("", "[]", "{}", file.read_text().replace("d1", "").replace('"size": ', '"x": ')):
        file.write_text(spoilt)
        assert font.digest() == f"d{len(read)}" and font.digest() == f"d{len(read)}"
    assert len(read) == 5
    path.write_bytes(font_of(bytes(99)))
    assert font.digest() == "d6"


def test_a_font_that_changed_has_another_digest(tmp_path):
    path = tmp_path / "a.sf2"
    path.write_bytes(font_of(bytes(100)))
    first = soundfonts.open_soundfont(path).digest()
    assert soundfonts.open_soundfont(path).digest() == first
    path.write_bytes(font_of(bytes(99) + b"1"))
    os.utime(path, ns=(0, 0))
    assert soundfonts.open_soundfont(path).digest() != first
