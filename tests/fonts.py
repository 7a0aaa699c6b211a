"""SoundFonts of a few kilobytes: a sine, so that what FluidSynth makes of it can be measured."""

import struct

import numpy as np

RATE = 44100
#: The sample is a sine of whole frames a period, at key 69.
PERIOD = 100
HZ = RATE / PERIOD


def sine_font(path, programs=(0,), *, keys=(0, 127), velocities=(0, 127)):
    """Write a font whose programs, in bank 0, sound the sine; each an octave above the last.

    keys, velocities : what they sound at, ends included
    """
    count = len(programs)
    sine = 20000 * np.sin(2 * np.pi * np.arange(100 * PERIOD) / PERIOD)
    frames = len(sine)
    low, high = keys
    soft, loud = velocities
    heads = [struct.pack("<20sHHH12x", b"sine %d" % p, p, 0, i) for i, p in enumerate(programs)]
    heads.append(struct.pack("<20sHHH12x", b"EOP", 0, 0, count))
    # Of presets: coarse tune in semitones, and the instrument. Of the instrument: ranges
    # of keys and velocities, a loop, the sample.
    zones = b"".join(_words((2 * i, 0) for i in range(count + 1)))
    tunes = b"".join(_words(pair for i in range(count) for pair in ((51, 12 * i), (41, 0))))
    inside = [(43, low | high << 8), (44, soft | loud << 8), (54, 1), (53, 0)]
    sample = struct.pack(
        "<20sIIIIIBbHH", b"sine", 0, frames, PERIOD, frames - PERIOD, RATE, 69, 0, 0, 1
    )
    lists = {
        b"phdr": b"".join(heads),
        b"pbag": zones,
        b"pmod": bytes(10),
        b"pgen": tunes + bytes(4),
        b"inst": struct.pack("<20sH20sH", b"sine", 0, b"EOI", 1),
        b"ibag": struct.pack("<4H", 0, 0, len(inside), 0),
        b"imod": bytes(10),
        b"igen": b"".join(_words(inside)) + bytes(4),
        b"shdr": sample + struct.pack("<20s26x", b"EOS"),
    }
    info = _chunk(b"ifil", struct.pack("<HH", 2, 1)) + _chunk(b"INAM", b"sine")
    sound = _chunk(b"smpl", sine.astype("<i2").tobytes() + bytes(92))
    parts = {b"INFO": info, b"sdta": sound}
    parts[b"pdta"] = b"".join(_chunk(kind, body) for kind, body in lists.items())
    body = b"".join(_chunk(b"LIST", kind + part) for kind, part in parts.items())
    path.write_bytes(_chunk(b"RIFF", b"sfbk" + body))
    return path


def _words(pairs):
    return (struct.pack("<HH", *pair) for pair in pairs)


def _chunk(kind, body):
    return kind + struct.pack("<I", len(body)) + body
