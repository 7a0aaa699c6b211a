"""Child processes that end with the work they belong to.

A thread can't be interrupted, but the program that it waits for can be ended, and work
that looks up now and then can be told to stop. So whoever runs synthesisers in several
threads opens a `Household`, and ends all its members at once when one of them fails or
Ctrl-C is pressed.
"""

from __future__ import annotations

import contextlib
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar

#: Seconds that a synthesiser may take: for itself, and for each second of sound. A hang is
#: rare and a crowded machine common, so they are many.
PATIENCE = (300.0, 10.0)


def patience_for(seconds: float) -> float:
    """Seconds in which so many seconds of sound must be made.

    >>> patience_for(60)
    900.0
    """
    return PATIENCE[0] + PATIENCE[1] * seconds


class Household:
    """Programs, and other work, that can be ended together, from whichever thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ends: set[Callable[[], object]] = set()
        self._ended = False

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """What this thread starts within the block belongs to this household."""
        token = _HOUSEHOLD.set(self)
        try:
            yield
        finally:
            _HOUSEHOLD.reset(token)

    def end(self) -> None:
        """End all members, and those that would start later as soon as they do."""
        with self._lock:
            self._ended = True
            for end in self._ends:
                end()

    @contextlib.contextmanager
    def keeping(self, end: Callable[[], object]) -> Iterator[None]:
        """Count a member in as long as the block lasts.

        end : ends it, at once and from whichever thread
        """
        with self._lock:
            if self._ended:
                end()
            else:
                self._ends.add(end)
        try:
            yield
        finally:
            with self._lock:
                self._ends.discard(end)


_HOUSEHOLD: ContextVar[Household | None] = ContextVar("household", default=None)


def ended_by(end: Callable[[], object]) -> contextlib.AbstractContextManager[None]:
    """Within this block, what ends this thread's household calls `end` too."""
    return (_HOUSEHOLD.get() or Household()).keeping(end)


def run_child(
    command: Sequence[str],
    *,
    patience: float,
    text: str = "",
    env: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, as `subprocess.run` does, within the household of this thread.

    Parameters
    ----------
    command : program and arguments
    patience : seconds that it may take
    text : what it reads from standard input
    env : its environment; by default this process's

    Returns
    -------
    its exit code, and what it wrote, as text; unreadable bytes are replaced

    Raises
    ------
    OSError
        Where it can't be started.
    subprocess.TimeoutExpired
        Where it takes longer. Then, as after any exception, it has been ended.
    """
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with (
        subprocess.Popen(command, text=True, errors="replace", env=env, **pipes) as child,
        ended_by(child.kill),
    ):
        try:
            output, errors = child.communicate(text, timeout=patience)
        except BaseException:
            child.kill()
            raise
    return subprocess.CompletedProcess(command, child.returncode, output, errors)
