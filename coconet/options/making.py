"""Options of the commands that make music: infill, generate, replace, chain, render."""

from __future__ import annotations

import argparse

from coconet.options.common import (
    SOURCE,
    add_command,
    add_facts,
    add_outputs,
    add_quartet,
    add_sampling,
    add_together,
    add_workers,
)


def add_infill(commands: argparse._SubParsersAction) -> None:
    parser = add_command(commands, "infill", "rewrite what is marked in a chorale", module="music")
    parser.add_argument("source", metavar="IN", help=SOURCE)
    marks = parser.add_argument_group("what is rewritten (by default the voices that are absent)")
    marks.add_argument("--keep", metavar="VOICES", help="voices to keep, such as soprano,bass")
    marks.add_argument("--rewrite", metavar="VOICES", help="voices to write anew")
    marks.add_argument(
        "--span", metavar="A:B", action="append", default=[], help="steps, half open; repeatable"
    )
    marks.add_argument(
        "--bars", metavar="5-8", action="append", default=[], help="bars as printed; repeatable"
    )
    marks.add_argument("--hidden", metavar="H.npy", help="bool array of the grid's shape")
    marks.add_argument("--fill-rests", action="store_true", help="also write where a voice rests")
    marks.add_argument(
        "--as", dest="as_", metavar="VOICES", help="which voices the source's are, such as soprano"
    )
    add_quartet(marks)
    marks.add_argument("--strict", action="store_true", help="refuse notes off the grid")
    add_facts(parser)
    add_sampling(parser)
    add_outputs(parser)


def add_generate(commands: argparse._SubParsersAction) -> None:
    parser = add_command(
        commands,
        "generate",
        "write chorales from nothing, or many harmonisations of a kept voice",
        module="generating",
    )
    parser.add_argument("--length", type=int, metavar="STEPS", help="in sixteenths (128)")
    parser.add_argument("--keep", metavar="VOICES", help="voices to keep; needs --from")
    parser.add_argument("--from", dest="source", metavar="IN", help=SOURCE)
    parser.add_argument(
        "--as", dest="as_", metavar="VOICES", help="which voices the source's are, such as bass"
    )
    add_quartet(parser)
    parser.add_argument(
        "--stack", type=int, default=1, metavar="K", help="quartets on top of each other (1)"
    )
    add_together(parser)
    add_facts(parser)
    add_sampling(parser, threads=False)
    add_workers(parser)
    add_outputs(parser)
    parser.add_argument(
        "--no-sheet",
        dest="sheet",
        action="store_false",
        help="several versions: no contact sheet, and no table to choose from",
    )


def add_replace(commands: argparse._SubParsersAction) -> None:
    parser = add_command(
        commands,
        "replace",
        "rewrite a chorale voice by voice, each fed by the one before",
        module="replacing",
    )
    parser.add_argument("source", metavar="IN", help=f"{SOURCE}; an array of segments too")
    parser.add_argument("--rounds", type=int, metavar="N", help="each leaves a quartet (4)")
    parser.add_argument(
        "--order", metavar="VOICES", help="that a round replaces, in turn (soprano,…,bass)"
    )
    parser.add_argument("--keep", metavar="VOICES", help="kept for good, in every quartet")
    add_quartet(parser)
    add_together(parser)
    segments = parser.add_argument_group("segments (by default the piece is written as a whole)")
    segments.add_argument(
        "--segments", action="store_true", help="phrase by phrase, each on 32 steps"
    )
    segments.add_argument(
        "--lengths", metavar="40,32:48,…", help="of the phrases in steps, true or model:true"
    )
    segments.add_argument(
        "--by", metavar="HOW", help="where phrases end: fermatas or bars:N (fermatas)"
    )
    segments.add_argument(
        "--drop-repeats", action="store_true", help="leave phrases out that come again"
    )
    segments.add_argument(
        "--legacy",
        action="store_true",
        help="store the array in C and minus 30, as old programs do",
    )
    arrays = parser.add_argument_group("an array of segments without a sidecar")
    arrays.add_argument(
        "--offset", type=int, metavar="N", help="taken off its pitches, such as 30; guessed"
    )
    arrays.add_argument("--tonic", metavar="F", help="in which it stands; a guess")
    add_sampling(parser, passes="of a replacement (48)", threads=False)
    add_workers(parser)
    add_outputs(
        parser,
        folder="numpy_chorales, or segmented_chorales with --segments",
        audio="no WAV; of more than 4 versions there is none anyway",
    )
    parser.set_defaults(out=None)


def add_chain(commands: argparse._SubParsersAction) -> None:
    parser = add_command(
        commands,
        "chain",
        "put a chorale through layers such as stretch, arpeggiate and canon",
        module="layering",
    )
    parser.add_argument("source", nargs="?", metavar="IN", help=f"{SOURCE}; segments too")
    parser.add_argument(
        "--as", dest="as_", metavar="VOICES", help="which voices the source's are, such as bass"
    )
    parser.add_argument(
        "--chain",
        metavar="FILE.yaml",
        help="layers in order; or the name of a shipped chain, or NAME.json of what a chain made",
    )
    parser.add_argument(
        "--list",
        nargs="?",
        const="",
        metavar="LAYER",
        help="tell all layers, their options, and the shipped chains; or one layer in full",
    )
    parser.add_argument("--seed", type=int, help="of all draws (the chain's own)")
    parser.add_argument(
        "--keep-all",
        action="store_true",
        help="also write the piece as it is after each layer: array, MIDI, picture, WAV",
    )
    parser.add_argument(
        "--limit", type=int, metavar="CELLS", help="voices × steps that it may grow to (4,000,000)"
    )
    parser.add_argument(
        "--model", metavar="DIR", help="for the layer ending; by default models/chorales"
    )
    parser.add_argument(
        "--no-score",
        dest="score",
        action="store_false",
        help="no engraved score and no MusicXML: quicker to try",
    )
    add_facts(parser)
    add_outputs(parser)
