"""What runs Csound: here, or as a program of its own that imports nothing of the package.

As a program it does without site-packages and numpy too, and is ready in a twentieth of a
second: it is started for each chunk of a piece.
"""

from __future__ import annotations

import ctypes
import importlib.util
import json
import signal
import sys
from pathlib import Path
from threading import Event
from types import ModuleType

#: Without pictures and chatter; notes begin within a block, where they stand; float samples.
OPTIONS = ("-d", "-m0", "--sample-accurate", "-f")


def libraries() -> tuple[ctypes.CDLL, ctypes.CDLL]:
    """Csound's two libraries, which ctcsound opens by these names; OSError without one."""
    if sys.platform.startswith("linux"):
        return ctypes.CDLL("libcsound64.so"), ctypes.CDLL("libcsnd6.so")
    from ctypes.util import find_library  # slow on Linux, where it isn't needed

    names = ("CsoundLib64", "csnd6.6.0") if sys.platform == "darwin" else ("csound64", "csnd6")
    return tuple(ctypes.CDLL(find_library(name) or name) for name in names)


def version() -> int:
    """The version of the Csound library, times 1000.

    Found without ctcsound, whose import takes 0.1 s or more.

    Raises ModuleNotFoundError without ctcsound, OSError without a library.
    """
    binding()
    return libraries()[0].csoundGetVersion()


def binding() -> Path:
    """The folder that ctcsound lies in; ModuleNotFoundError without it."""
    spec = importlib.util.find_spec("ctcsound")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("No module named 'ctcsound'", name="ctcsound")
    return Path(spec.origin).parent


def perform(orchestra: str, score: str, sound: str, stop: Event | None = None) -> tuple[bool, str]:
    """Render a score to a file of raw float32 samples.

    Parameters
    ----------
    orchestra, score : Csound's text
    sound : path of the file
    stop : once it is set, Csound stops within a buffer, some milliseconds of sound

    Returns
    -------
    whether Csound started and went on to the end, without a stop or an error; and its log
    """
    import ctcsound

    ctcsound.csoundInitialize(3)  # no signal handlers: Ctrl-C stays Python's
    engine = ctcsound.Csound()
    engine.createMessageBuffer(False)
    for option in (*OPTIONS, "-h", f"-o{sound}"):
        engine.setOption(option)
    steps = (
        lambda: engine.compileOrc(orchestra),
        lambda: engine.readScore(score),
        engine.start,
    )
    try:
        works = all(step() == 0 for step in steps)
        if works:
            ended = 0
            while ended == 0 and not (stop and stop.is_set()):
                ended = engine.performBuffer()
            works = ended > 0  # below 0 it is an error
    finally:
        engine.cleanup()  # closes the file
    log = []
    while engine.messageCnt():
        log.append(engine.firstMessage())
        engine.popFirstMessage()
    return works, "".join(log)


def main() -> int:
    """Render the job on standard input, JSON of `perform`'s arguments; print the log.

    The program's one argument is the folder of ctcsound.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C reaches children too: end at once
    sys.path.append(sys.argv[1])
    _spare_numpy()
    works, log = perform(**json.load(sys.stdin))
    sys.stdout.buffer.write(log.encode("utf-8", "replace"))
    return int(not works)


def _spare_numpy() -> None:
    """Keep ctcsound from importing numpy, which takes longer than all else.

    It asks for numpy's version at once, and for more only where samples are exchanged as
    arrays.
    """
    numpy = ModuleType("numpy")
    numpy.__version__ = "2"
    sys.modules["numpy"] = numpy


if __name__ == "__main__":
    sys.exit(main())
