"""What runs Csound: here, or as a program of its own that imports nothing of the package.

So a child process is ready in a quarter of a second; with the package it would take twice
as long, for each chunk of a piece.
"""

from __future__ import annotations

import json
import signal
import sys
from threading import Event

#: Without pictures and chatter; notes begin within a block, where they stand; float samples.
OPTIONS = ("-d", "-m0", "--sample-accurate", "-f")


def version() -> int:
    """The version of the Csound library, times 1000; raises what ctcsound raises without it."""
    import ctcsound

    return ctcsound.libcsound.csoundGetVersion()


def perform(orchestra: str, score: str, sound: str, stop: Event | None = None) -> tuple[bool, str]:
    """Render a score to a file of raw float32 samples.

    Parameters
    ----------
    orchestra, score : Csound's text
    sound : path of the file
    stop : once it is set, Csound stops within a block

    Returns
    -------
    whether Csound started and went on to the end, and its log
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
        while works and not (stop and stop.is_set()) and engine.performKsmps() == 0:
            pass
    finally:
        engine.cleanup()  # closes the file
    log = []
    while engine.messageCnt():
        log.append(engine.firstMessage())
        engine.popFirstMessage()
    return works, "".join(log)


def main() -> int:
    """Render the job on standard input, JSON of `perform`'s arguments; print the log."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C reaches children too: end at once
    works, log = perform(**json.load(sys.stdin))
    sys.stdout.buffer.write(log.encode("utf-8", "replace"))
    return int(not works)


if __name__ == "__main__":
    sys.exit(main())
