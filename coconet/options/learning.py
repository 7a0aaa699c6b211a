"""Options of the commands around training: train, compare, evaluate, fit-sampler, data sets."""

from __future__ import annotations

import argparse

from coconet.options.common import PRECISION, add_command
from coconet.precision import PRECISIONS


def add_train(commands: argparse._SubParsersAction) -> None:
    parser = add_command(
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


def add_compare(commands: argparse._SubParsersAction) -> None:
    parser = add_command(
        commands, "compare", "show several training runs in one picture", module="learning"
    )
    parser.add_argument("runs", metavar="RUN", nargs="+", help="folders of training runs")
    parser.add_argument(
        "--out", metavar="FILE.png", help="loss, accuracy, likelihood: .png, .svg or .pdf"
    )
    parser.add_argument("--force", action="store_true", help="replace an existing file")


def add_evaluate(commands: argparse._SubParsersAction) -> None:
    parser = add_command(
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


def add_fit_sampler(commands: argparse._SubParsersAction) -> None:
    parser = add_command(
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


def add_corpus(commands: argparse._SubParsersAction) -> None:
    parser = add_command(
        commands, "corpus", "build data/chorales.npz from music21's corpus", module="learning"
    )
    parser.add_argument("--out", metavar="DIR", help="folder to write into; the project's data")
    parser.add_argument(
        "--jsb", metavar="FILE.npz", help="the paper's pieces: also work out splits.csv anew"
    )
    parser.add_argument("--workers", type=int, default=2, help="processes that read scores (2)")


def add_format(commands: argparse._SubParsersAction) -> None:
    parser = add_command(
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
