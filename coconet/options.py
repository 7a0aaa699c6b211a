"""The options of every command, with what `--help` says of them.

Only argparse and names are imported here, so that `--help` is quick.
"""

from __future__ import annotations

import argparse
from typing import NoReturn

from coconet import __version__
from coconet.precision import PRECISIONS

USAGE_ERROR = 2


class Parser(argparse.ArgumentParser):
    """An argparse parser whose complaints are one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(USAGE_ERROR, f"{self.prog}: {message} (see {self.prog} --help)\n")


def build_parser() -> Parser:
    """All commands and their options."""
    parser = Parser(
        prog="coconet", description="Composing with Bach's chorales by neural infilling."
    )
    parser.add_argument("--version", action="version", version=f"coconet {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for add in (
        _infill,
        _generate,
        _replace,
        _render,
        _info,
        _report,
        _train,
        _compare,
        _evaluate,
        _fit_sampler,
        _corpus,
        _format,
        _doctor,
    ):
        add(commands)
    return parser


def _command(
    commands: argparse._SubParsersAction, name: str, text: str, *, module: str = ""
) -> Parser:
    """A command whose function, of the same name, stands in `coconet.commands.MODULE`."""
    parser = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    parser.set_defaults(module=module)
    return parser


PRECISION = "of linear layers; auto, the default, is the faster on this machine"
SOURCE = (
    ".mid, .musicxml, .npy, a melody such as 'F4:4 G4:2 r:2' (name:sixteenths), "
    "or bwv:NUMBER for a chorale of the corpus"
)


def _infill(commands: argparse._SubParsersAction) -> None:
    parser = _command(commands, "infill", "rewrite what is marked in a chorale", module="music")
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
    _quartet(marks)
    marks.add_argument("--strict", action="store_true", help="refuse notes off the grid")
    _facts(parser)
    _sampling(parser)
    _outputs(parser)


def _generate(commands: argparse._SubParsersAction) -> None:
    parser = _command(
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
    _quartet(parser)
    parser.add_argument(
        "--stack", type=int, default=1, metavar="K", help="quartets on top of each other (1)"
    )
    _together(parser)
    _facts(parser)
    _sampling(parser, threads=False)
    _workers(parser)
    _outputs(parser)
    parser.add_argument(
        "--no-sheet",
        dest="sheet",
        action="store_false",
        help="several versions: no contact sheet, and no table to choose from",
    )


def _replace(commands: argparse._SubParsersAction) -> None:
    parser = _command(
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
    _quartet(parser)
    _together(parser)
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
    _sampling(parser, passes="of a replacement (48)", threads=False)
    _workers(parser)
    _outputs(
        parser,
        folder="numpy_chorales, or segmented_chorales with --segments",
        audio="no WAV; of more than 4 versions there is none anyway",
    )
    parser.set_defaults(out=None)


def _render(commands: argparse._SubParsersAction) -> None:
    parser = _command(commands, "render", "make a sound file of a chorale", module="music")
    parser.add_argument("source", metavar="IN", help=SOURCE)
    parser.add_argument("--out", required=True, metavar="X.wav", help=".wav, .flac or .mp3")
    parser.add_argument("--synth", choices=("csound", "fluidsynth"), help="the first that works")
    parser.add_argument("--instrument", choices=("piano", "organ"), help="the first that works")
    parser.add_argument(
        "--tuning",
        default="secor-victorian",
        metavar="FILE.scl",
        help="or 'equal' (secor-victorian)",
    )
    parser.add_argument("--tonic", metavar="F", help="degree 0 of the tuning; the chorale's own")
    parser.add_argument("--tempo", type=float, help="quarter notes a minute; the chorale's own")
    parser.add_argument("--soundfont", metavar="FILE.sf2", help="the best one found")
    parser.add_argument(
        "--level", default="peak:-1", help="loudest sample in dBFS, such as peak:-6 (peak:-1)"
    )
    parser.add_argument("--force", action="store_true", help="replace an existing file")


def _info(commands: argparse._SubParsersAction) -> None:
    parser = _command(
        commands, "info", "tell what a checkpoint, chorale or tuning holds", module="telling"
    )
    parser.add_argument("file", metavar="FILE", help="a checkpoint's folder, a .scl, or " + SOURCE)


def _report(commands: argparse._SubParsersAction) -> None:
    parser = _command(
        commands, "report", "tell what chorales are like, in numbers", module="telling"
    )
    parser.add_argument("sources", nargs="*", metavar="IN", help="folders of .npy, or " + SOURCE)
    parser.add_argument("--each", action="store_true", help="a row for every piece, however many")
    parser.add_argument(
        "--against-bach", action="store_true", help="his rows too, with errors; * = not as in Bach"
    )
    parser.add_argument(
        "--nearest", action="store_true", help="the passages of the train split most like each"
    )
    parser.add_argument("--columns", action="store_true", help="tell what each column counts")
    parser.add_argument("--csv", metavar="FILE.csv", help="also write the table here")
    parser.add_argument("--force", action="store_true", help="replace an existing file")
    parser.add_argument("--seed", type=int, default=1, help="of the errors' resampling (1)")


def _train(commands: argparse._SubParsersAction) -> None:
    parser = _command(
        commands, "train", "train a network; Ctrl-C once saves, twice stops", module="learning"
    )
    # torchrun takes --run for one of its own options, even behind our name.
    parser.add_argument(
        "--run",
        "--run-dir",
        default="runs/chorales",
        metavar="DIR",
        help="folder (runs/chorales); behind torchrun only --run-dir",
    )
    parser.add_argument("--config", metavar="FILE.yaml", help="settings; options override them")
    parser.add_argument("--data", metavar="FILE.npz", help="a corpus; by default the project's own")
    parser.add_argument("--network", choices=("fast", "paper"), help="fast, unless --config says")
    parser.add_argument("--layers", type=int, help="of the paper network (64)")
    parser.add_argument("--filters", type=int, help="of the paper network (128)")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--updates", type=int, metavar="N", help="length of the schedule (20000)")
    length.add_argument(
        "--minutes", type=float, metavar="M", help="measure 50 updates, then fix N to fill M"
    )
    start = parser.add_mutually_exclusive_group()
    start.add_argument("--resume", action="store_true", help="go on from the run's last state")
    start.add_argument("--init", metavar="CHECKPOINT", help="begin from these weights")
    parser.add_argument("--batch", type=int, help="crops an update (12)")
    parser.add_argument("--crop", type=int, metavar="STEPS", help="steps a crop (128)")
    parser.add_argument(
        "--frames", type=float, metavar="SHARE", help="of crops that hide whole frames (0.5)"
    )
    parser.add_argument("--learning-rate", type=float, help="peak (0.003)")
    parser.add_argument("--precision", choices=PRECISIONS, help=PRECISION)
    parser.add_argument(
        "--resolution", type=int, choices=(16, 8, 4), help="steps a whole note (16)"
    )
    parser.add_argument(
        "--splits", metavar="train,valid,test", help="trained on (train); demo never is"
    )
    samples = parser.add_mutually_exclusive_group()
    samples.add_argument(
        "--samples-every", type=int, metavar="N", help="updates between sample files (500)"
    )
    samples.add_argument(
        "--no-samples", dest="samples_every", action="store_const", const=0, help="none at all"
    )
    parser.add_argument("--seed", type=int, help="of all chance (1)")
    parser.add_argument("--threads", type=int, help="for torch; its own choice")
    parser.add_argument(
        "--device", choices=("auto", "cpu", "cuda"), help="auto: a GPU where there is one (auto)"
    )


def _compare(commands: argparse._SubParsersAction) -> None:
    parser = _command(
        commands, "compare", "show several training runs in one picture", module="learning"
    )
    parser.add_argument("runs", metavar="RUN", nargs="+", help="folders of training runs")
    parser.add_argument(
        "--out", metavar="FILE.png", help="loss, accuracy, likelihood: .png, .svg or .pdf"
    )
    parser.add_argument("--force", action="store_true", help="replace an existing file")


def _evaluate(commands: argparse._SubParsersAction) -> None:
    parser = _command(
        commands, "evaluate", "measure how likely models find chorales, in nats", module="learning"
    )
    parser.add_argument(
        "checkpoints",
        metavar="CHECKPOINT",
        nargs="+",
        help="folders; from the second on, paired differences from the first are told too",
    )
    parser.add_argument(
        "--data", metavar="FILE.npz", help="a corpus, or the paper's JSB; by default the project's"
    )
    parser.add_argument("--split", help="train, valid, test or demo (valid)")
    parser.add_argument("--unit", choices=("frame", "note"), default="frame", help="(frame)")
    parser.add_argument(
        "--order",
        choices=("random", "chronological"),
        default="random",
        help="in which frames or notes are uncovered (random)",
    )
    parser.add_argument(
        "--orders", type=int, metavar="M", help="orders combined (5); figures compare at equal M"
    )
    parser.add_argument(
        "--short",
        action="store_true",
        help="12 fixed valid pieces, one step in five scored: about a minute, for comparisons",
    )
    parser.add_argument("--pieces", type=int, metavar="N", help="only N pieces, evenly spaced")
    parser.add_argument("--seed", type=int, default=1, help="of the orders (1)")
    parser.add_argument("--csv", metavar="FILE", help="write each piece's figures there")
    parser.add_argument("--force", action="store_true", help="replace an existing file")
    parser.add_argument("--precision", choices=PRECISIONS, default="auto", help=PRECISION)
    parser.add_argument("--threads", type=int, help="for torch; its own choice")


def _fit_sampler(commands: argparse._SubParsersAction) -> None:
    parser = _command(
        commands,
        "fit-sampler",
        "fit the sampler's weights against parallels to Bach's rates",
        module="learning",
    )
    parser.epilog = (
        "The weights belong to one set of the network's: train first, then fit. A run's newest "
        "state is fitted; the states that further training saves have no weights of their own."
    )
    parser.add_argument("--model", metavar="DIR", help="a checkpoint; by default models/chorales")
    parser.add_argument(
        "--samples", type=int, default=48, metavar="N", help="chorales from nothing a round (48)"
    )
    parser.add_argument(
        "--length", type=int, default=128, metavar="STEPS", help="of each, in sixteenths (128)"
    )
    parser.add_argument("--passes", type=int, default=88, help="of the sampler (88)")
    parser.add_argument("--rounds", type=int, default=6, help="in which the weights move (6)")
    parser.add_argument("--seed", type=int, default=1, help="of all chance (1)")
    parser.add_argument("--force", action="store_true", help="replace weights that are there")
    parser.add_argument("--threads", type=int, help="for torch; its own choice")


def _corpus(commands: argparse._SubParsersAction) -> None:
    parser = _command(
        commands, "corpus", "build data/chorales.npz from music21's corpus", module="learning"
    )
    parser.add_argument("--out", metavar="DIR", help="folder to write into; the project's data")
    parser.add_argument(
        "--jsb", metavar="FILE.npz", help="the paper's pieces: also work out splits.csv anew"
    )
    parser.add_argument("--workers", type=int, default=2, help="processes that read scores (2)")


def _format(commands: argparse._SubParsersAction) -> None:
    parser = _command(
        commands, "format", "make a training set of MIDI and MusicXML files", module="learning"
    )
    parser.add_argument(
        "sources", metavar="IN", nargs="+", help="files, or folders with all that lies below them"
    )
    parser.add_argument("out", metavar="OUT.npz", help="for coconet train --data OUT.npz")
    parser.add_argument(
        "--valid", type=float, default=0.1, metavar="SHARE", help="of the pieces (0.1)"
    )
    parser.add_argument(
        "--test", type=float, default=0.1, metavar="SHARE", help="of the pieces (0.1)"
    )
    parser.add_argument(
        "--like",
        metavar="FILE.npz",
        help="a training set; harmonisations that are in it too take their split there",
    )
    parser.add_argument(
        "--min-voices", type=int, default=4, metavar="N", help="skip pieces with fewer (4)"
    )
    parser.add_argument("--seed", type=int, default=1, help="of the splits (1)")
    parser.add_argument("--workers", type=int, default=2, help="processes that read (2)")
    parser.add_argument(
        "--csv", action="store_true", help="also write OUT.csv: each file's split, or its reason"
    )
    parser.add_argument("--force", action="store_true", help="replace existing files")


def _doctor(commands: argparse._SubParsersAction) -> None:
    _command(commands, "doctor", "tell what is installed, what is missing, and the exact fix")


def _quartet(parser: argparse._ActionsContainer) -> None:
    parser.add_argument(
        "--quartet", type=int, metavar="K", help="which one of a stack of quartets, from 1"
    )


def _facts(parser: Parser) -> None:
    group = parser.add_argument_group("metre and tempo (by default the source's own, if it tells)")
    group.add_argument("--metre", metavar="3/4", help="time signature (4/4)")
    group.add_argument("--upbeat", type=int, metavar="STEPS", help="sixteenths before bar 1 (0)")
    group.add_argument("--tempo", type=float, help="quarter notes a minute (72)")


def _sampling(
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


def _together(parser: Parser) -> None:
    parser.add_argument(
        "--together",
        type=float,
        metavar="W",
        help="how much quartets heed those before them, 0 (not at all) to 1 (0.5)",
    )


def _workers(parser: Parser) -> None:
    group = parser.add_argument_group("cores and machines; the result is the same on any")
    group.add_argument(
        "--workers", type=int, default=1, metavar="W", help="processes of this machine (1)"
    )
    group.add_argument(
        "--dask",
        metavar="ADDRESS",
        help="use the workers of this Dask scheduler, such as tcp://192.168.1.5:8786",
    )


def _outputs(parser: Parser, *, folder: str = "numpy_chorales", audio: str = "no WAV") -> None:
    group = parser.add_argument_group("output")
    group.add_argument("--out", default=folder, metavar="DIR", help=f"folder ({folder})")
    group.add_argument("--name", help="of the files; by default from the source")
    group.add_argument("--no-audio", action="store_true", help=audio)
    group.add_argument("--force", action="store_true", help="replace existing files")
