"""The command `coconet`: thin faces of the package's functions.

Each command loads what it needs, when it is called. A `ChoraleError` becomes one
line on stderr and exit code 2.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sys
from collections.abc import Iterator, Sequence

from coconet.errors import INTERRUPTED, ChoraleError
from coconet.options import USAGE_ERROR, build_parser

#: Commands that clean up what they have begun when they are told to end.
TIDY = ("infill", "chain", "render")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    parser = build_parser()
    options = parser.parse_args(arguments)
    try:
        if options.command == "doctor":
            # It must speak even where numpy is missing, which all other commands need.
            from coconet.doctor import report

            return report()
        module = importlib.import_module(f"coconet.commands.{options.module}")
        command = getattr(module, options.command.replace("-", "_"))
        with _tidy() if options.command in TIDY else contextlib.nullcontext():
            return command(options)
    except ChoraleError as error:
        print(f"coconet {options.command}: {error}", file=sys.stderr)
        return USAGE_ERROR
    except ModuleNotFoundError as error:
        print(
            f"coconet {options.command}: the package {error.name} is missing; "
            "coconet doctor tells the fix",
            file=sys.stderr,
        )
        return USAGE_ERROR
    except KeyboardInterrupt:
        print(f"coconet {options.command}: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read the output, such as `head`, has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


@contextlib.contextmanager
def _tidy() -> Iterator[None]:
    """End by SIGTERM and SIGHUP, from `timeout` or a closed terminal, as by Ctrl-C.

    Otherwise temporary files, which may be large, and child processes would be left.
    """

    def end(number: int, frame: object) -> None:
        raise SystemExit(128 + number)

    names = [name for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {}
    with contextlib.suppress(ValueError):  # not the main thread: signals are another's
        before = {getattr(signal, name): None for name in names}
        for number in before:
            before[number] = signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in before.items():
            if handler is not None:
                signal.signal(number, handler)
