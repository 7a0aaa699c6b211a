"""Child processes that end with the work they belong to.

A thread can't be interrupted, but the program that it waits for can be ended. So
whoever runs synthesisers in several threads opens a `Household`, and ends all its
children at once when one of them fails or Ctrl-C is pressed.
"""

from __future__ import annotations

import contextlib
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar


class Household:
    """Children that can be ended together, from whichever thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._children: set[subprocess.Popen] = set()
        self._ended = False

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """Children that this thread starts within the block belong to this household."""
        token = _HOUSEHOLD.set(self)
        try:
            yield
        finally:
            _HOUSEHOLD.reset(token)

    def end(self) -> None:
        """End all children, and those that would start later as soon as they do."""
        with self._lock:
            self._ended = True
            for child in self._children:
                child.kill()

    @contextlib.contextmanager
    def keeping(self, child: subprocess.Popen) -> Iterator[None]:
        """Count a child in as long as the block lasts."""
        with self._lock:
            self._children.add(child)
            if self._ended:
                child.kill()
        try:
            yield
        finally:
            with self._lock:
                self._children.discard(child)


_HOUSEHOLD: ContextVar[Household | None] = ContextVar("household", default=None)


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
    household = _HOUSEHOLD.get() or Household()
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with (
        subprocess.Popen(command, text=True, errors="replace", env=env, **pipes) as child,
        household.keeping(child),
    ):
        try:
            output, errors = child.communicate(text, timeout=patience)
        except BaseException:
            child.kill()
            raise
    return subprocess.CompletedProcess(command, child.returncode, output, errors)
