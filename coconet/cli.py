"""The command `coconet`: thin faces of the package's functions.

Each command loads what it needs, when it is called. A `ChoraleError` becomes one
line on stderr and exit code 2.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence

from coconet.errors import INTERRUPTED, ChoraleError
from coconet.options import USAGE_ERROR, build_parser


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
        return getattr(module, options.command.replace("-", "_"))(options)
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
