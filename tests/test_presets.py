"""What a SoundFont holds."""

import numpy as np
import pytest
from fonts import sine_font

from coconet.errors import ChoraleError
from coconet.render.presets import Presets
from coconet.render.soundfonts import find_soundfont, open_soundfont


def test_programs_keys_and_velocities_are_read(tmp_path):
    path = sine_font(tmp_path / "a.sf2", (0, 19, 52), keys=(40, 80), velocities=(10, 127))
    font = Presets(open_soundfont(path))
    assert font.names == {(0, 0): "sine 0", (0, 19): "sine 19", (0, 52): "sine 52"}
    expected = np.zeros((128, 128), bool)
    expected[40:81, 10:] = True
    assert np.array_equal(font.sounding(19), expected)
    assert not font.sounding(48).any()
    assert not font.sounding(0, bank=1).any()


@pytest.mark.skipif(find_soundfont(plain=False) is None, reason="no SoundFont here")
def test_a_real_font_has_a_piano_on_every_key_of_a_chorale():
    font = Presets(find_soundfont(plain=False))
    assert font.sounding(0)[36:85, 1:].all()


def test_a_damaged_font_is_told(tmp_path):
    whole = sine_font(tmp_path / "a.sf2", (0, 19)).read_bytes()
    place = whole.index(b"pbag") + 8
    spoilt = {
        "no presets": whole.replace(b"phdr", b"xxxx"),
        "no list": whole.replace(b"pdta", b"xxxx"),
        "half a record": whole.replace(b"phdr\x72", b"phdr\x70"),
        "zones out of reach": whole[:place] + b"\xff\xff" * 4 + whole[place + 8 :],
    }
    for name, content in spoilt.items():
        path = tmp_path / f"{name}.sf2"
        assert content != whole, name
        path.write_bytes(content)
        with pytest.raises(ChoraleError, match=f"{name}.*damaged"):
            font = Presets(open_soundfont(path))
            font.sounding(0)
            raise AssertionError(font.names)
