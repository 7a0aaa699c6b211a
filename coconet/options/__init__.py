"""The options of every command, with what `--help` says of them.

Only argparse and names are imported here, so that `--help` is quick.
"""

from __future__ import annotations

from coconet import __version__
from coconet.options import learning, making, sounding, telling
from coconet.options.common import USAGE_ERROR, Parser

__all__ = ["USAGE_ERROR", "Parser", "build_parser"]


def build_parser() -> Parser:
    """All commands and their options."""
    parser = Parser(
        prog="coconet", description="Composing with Bach's chorales by neural infilling."
    )
    parser.add_argument("--version", action="version", version=f"coconet {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for add in (
        making.add_infill,
        making.add_generate,
        making.add_replace,
        making.add_chain,
        sounding.add_render,
        sounding.add_purity,
        telling.add_info,
        telling.add_report,
        learning.add_train,
        learning.add_compare,
        learning.add_evaluate,
        learning.add_fit_sampler,
        learning.add_corpus,
        learning.add_format,
        telling.add_doctor,
    ):
        add(commands)
    return parser
