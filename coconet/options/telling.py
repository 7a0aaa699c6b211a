"""Options of the commands that tell: info, report, doctor."""

from __future__ import annotations

import argparse

from coconet.options.common import SOURCE, add_command


def add_info(commands: argparse._SubParsersAction) -> None:
    parser = add_command(
        commands,
        "info",
        "tell what a checkpoint, chorale, tuning or step map holds",
        module="telling",
    )
    parser.add_argument(
        "file", metavar="FILE", help="a checkpoint's folder, a .scl, a .map.npz, or " + SOURCE
    )


def add_report(commands: argparse._SubParsersAction) -> None:
    parser = add_command(
        commands, "report", "tell what chorales are like, in numbers", module="reporting"
    )
    parser.add_argument("sources", nargs="*", metavar="IN", help="folders of .npy, or " + SOURCE)
    parser.add_argument("--deep", action="store_true", help="folders: also what lies below them")
    parser.add_argument("--columns", action="store_true", help="tell what each column counts")
    parser.add_argument(
        "--nearest", action="store_true", help="the passages of the train split most like each"
    )
    pieces = parser.add_argument_group("a row a piece, with percentiles of Bach's (the default)")
    pieces.add_argument(
        "--sort", metavar="COLUMN", help="highest first (pitch-class entropy); --columns lists them"
    )
    pieces.add_argument("--ascending", action="store_true", help="lowest first")
    pieces.add_argument(
        "--where",
        metavar="CONDITION",
        help="which rows, such as 'entropy > 3 and fifths < 1 or notes < 99' (and binds tighter)",
    )
    pieces.add_argument("--top", type=int, metavar="N", help="the first N rows, once sorted")
    pieces.add_argument(
        "--groups",
        metavar="VOICES",
        help="a row for each of quartets, voices, or names and ranges of rows: bass,0:4,0:8",
    )
    pieces.add_argument(
        "--original", metavar="IN", help="tell how many cells differ from this one's"
    )
    pieces.add_argument("--picture", metavar="FILE.png", help="all rows by two columns; .svg, .pdf")
    pieces.add_argument(
        "--axes", metavar="X,Y", help="of the picture (pitch-class entropy,dissonance)"
    )
    whole = parser.add_argument_group("all pieces as one set of rates, beside Bach's")
    whole.add_argument(
        "--against-bach", action="store_true", help="his rows, with errors; * = not as in Bach"
    )
    whole.add_argument("--each", action="store_true", help="a row for every piece, however many")
    whole.add_argument("--seed", type=int, default=1, help="of the errors' resampling (1)")
    files = parser.add_argument_group("files")
    files.add_argument("--csv", metavar="FILE.csv", help="also write the table here, in full")
    files.add_argument("--force", action="store_true", help="replace existing files")


def add_doctor(commands: argparse._SubParsersAction) -> None:
    add_command(commands, "doctor", "tell what is installed, what is missing, and the exact fix")
