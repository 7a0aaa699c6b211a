"""What the options of several commands share."""

from __future__ import annotations

import argparse
from typing import NoReturn

USAGE_ERROR = 2
PRECISION = "of linear layers; auto, the default, is the faster on this machine"
SOURCE = (
    ".mid, .musicxml, .npy, a melody such as 'F4:4 G4:2 r:2' (name:sixteenths), "
    "or bwv:NUMBER for a chorale of the corpus"
)


class Parser(argparse.ArgumentParser):
    """An argparse parser whose complaints are one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(USAGE_ERROR, f"{self.prog}: {message} (see {self.prog} --help)\n")


def add_command(
    commands: argparse._SubParsersAction, name: str, text: str, *, module: str = ""
) -> Parser:
    """A command whose function, of the same name, stands in `coconet.commands.MODULE`."""
    parser = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    parser.set_defaults(module=module)
    return parser


def add_quartet(parser: argparse._ActionsContainer) -> None:
    parser.add_argument(
        "--quartet", type=int, metavar="K", help="which one of a stack of quartets, from 1"
    )


def add_facts(parser: Parser) -> None:
    group = parser.add_argument_group("metre and tempo (by default the source's own, if it tells)")
    group.add_argument("--metre", metavar="3/4", help="time signature (4/4)")
    group.add_argument("--upbeat", type=int, metavar="STEPS", help="sixteenths before bar 1 (0)")
    group.add_argument("--tempo", type=float, help="quarter notes a minute (72)")


def add_sampling(
    parser: Parser, *, passes: str = "one a hidden cell, 64 to 88", threads: bool = True
) -> None:
    group = parser.add_argument_group("sampling")
    group.add_argument("--count", type=int, default=1, metavar="N", help="versions to write (1)")
    group.add_argument("--model", metavar="DIR", help="a checkpoint; by default models/chorales")
    group.add_argument("--passes", type=int, help=passes)
    group.add_argument(
        "--temperature", type=float, default=1.0, help="0 likeliest, 1 as Bach, above bolder (1)"
    )
    group.add_argument(
        "--tilt",
        type=float,
        default=1.0,
        metavar="X",
        help="times the checkpoint's fitted weights against parallels; 0 turns them off (1)",
    )
    group.add_argument("--seed", type=int, default=1, help="same seed, same music (1)")
    if threads:
        group.add_argument("--threads", type=int, help="for torch; its own choice")


def add_together(parser: Parser) -> None:
    parser.add_argument(
        "--together",
        type=float,
        metavar="W",
        help="how much quartets heed those before them, 0 (not at all) to 1 (0.5)",
    )


def add_workers(parser: Parser) -> None:
    group = parser.add_argument_group("cores and machines; the result is the same on any")
    group.add_argument(
        "--workers", type=int, default=1, metavar="W", help="processes of this machine (1)"
    )
    group.add_argument(
        "--dask",
        metavar="ADDRESS",
        help="use the workers of this Dask scheduler, such as tcp://192.168.1.5:8786",
    )


def add_outputs(parser: Parser, *, folder: str = "numpy_chorales", audio: str = "no WAV") -> None:
    group = parser.add_argument_group("output")
    group.add_argument("--out", default=folder, metavar="DIR", help=f"folder ({folder})")
    group.add_argument("--name", help="of the files; by default from the source")
    group.add_argument("--no-audio", action="store_true", help=audio)
    group.add_argument("--force", action="store_true", help="replace existing files")
