"""A band: the instruments that play, with the font and the recordings that they need."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from coconet.render.calibration import calibrate
from coconet.render.csound import Band
from coconet.render.csound_paths import quoted
from coconet.render.instruments import DEFAULT_INSTRUMENT, parse_parts
from coconet.render.samples import SampleSet
from coconet.render.soundfonts import SoundFont, open_soundfont
from coconet.tuning import KEYS


def csound_band(
    instrument: object = DEFAULT_INSTRUMENT,
    *,
    voices: int,
    soundfont: SoundFont | Path | str | None = None,
    samples: SampleSet | None = None,
) -> Band:
    """Choose and check what plays, for `csound.play_csound`.

    A SoundFont is measured when it first plays, which takes some seconds.

    Parameters
    ----------
    instrument : such as 'piano', 'organ:flutes', 'choir,strings,strings,organ'; what
        `instruments.parse_parts` reads
    voices : how many there are
    soundfont : with plain samples; only the piano needs one, else it is left aside
    samples : recordings, from `samples.open_samples`; only 'samples' needs them

    Raises
    ------
    ChoraleError
        For an unknown instrument, another number of instruments, a missing or unfit font,
        missing recordings.
    """
    parts = parse_parts(instrument, voices)
    needs = {part.instrument.needs for part in parts}
    font, errors = None, np.zeros((KEYS, 2))
    if "soundfont" in needs and soundfont is not None:
        font = soundfont if isinstance(soundfont, SoundFont) else open_soundfont(soundfont)
        quoted(font.path)
        errors = calibrate(font)
    return Band(parts, font, errors, samples if "samples" in needs else None)
