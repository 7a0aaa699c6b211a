"""Options of the commands on sound and tuning: render, purity."""

from __future__ import annotations

import argparse

from coconet.options.common import SOURCE, Parser, add_command

SEVERAL = "; several, with commas: one a voice, or four for every quartet"


def add_render(commands: argparse._SubParsersAction) -> None:
    parser = add_command(commands, "render", "make a sound file of a chorale", module="sounding")
    parser.add_argument(
        "source", nargs="?", metavar="IN", help=f"{SOURCE}; or a .csv that --events wrote"
    )
    parser.add_argument("--out", metavar="X.wav", help=".wav, .flac or .mp3 (320 kbit/s)")
    parser.add_argument(
        "--list",
        action="store_true",
        help="tell all instruments, tunings, styles and halls, and which synthesisers work",
    )
    _add_players(parser)
    _add_tuning(parser)
    _add_performance(parser)
    finish = parser.add_argument_group("hall and level")
    finish.add_argument(
        "--hall",
        default="chamber",
        metavar="HALL",
        help="room, chamber, hall, church, none, or an impulse response X.wav; with options "
        "such as hall:wet=0.4,decay=2.5 (chamber)",
    )
    finish.add_argument("--trim", action="store_true", help="cut silence off both ends")
    finish.add_argument(
        "--level",
        default="peak:-1",
        help="peak:-1, the loudest sample in dBFS, or lufs:-18, the loudness (peak:-1)",
    )
    finish.add_argument(
        "--encoding", metavar="BITS", help="16, 24, or for a .wav float (16); not for .mp3"
    )
    also = parser.add_argument_group("also write")
    also.add_argument("--events", metavar="X.csv", help="the notes as played; IN of a later render")
    also.add_argument(
        "--pfields", metavar="X.csv", help="the same in the columns of the program before this one"
    )
    also.add_argument("--csd", metavar="X.csd", help="all of it for the program csound")
    also.add_argument("--picture", metavar="X.png", help="notes, velocities, tempo; .svg, .pdf")
    also.add_argument(
        "--samples-used", metavar="X.csv", help="how many notes each of --samples played"
    )
    parser.add_argument("--force", action="store_true", help="replace existing files")


def _add_players(parser: Parser) -> None:
    group = parser.add_argument_group("who plays")
    group.add_argument("--synth", choices=("csound", "fluidsynth"), help="the first that works")
    group.add_argument(
        "--instrument",
        metavar="NAME",
        help="piano, organ, strings, choir, harpsichord, clavichord, samples, or a variant such "
        f"as organ:plenum{SEVERAL} (piano)",
    )
    group.add_argument("--soundfont", metavar="FILE.sf2", help="the best one found")
    group.add_argument(
        "--samples",
        metavar="DIR|FILE.sfz",
        help="recordings of your own: docs/samples.md tells how they are named",
    )
    own = parser.add_argument_group("recordings of your own (--samples)")
    own.add_argument("--only", metavar="PATTERN", help="files whose names fit, such as '*emp*'")
    own.add_argument("--middle-c", metavar="NAME", help="how names call it: C3, C4 or C5 (C4)")
    own.add_argument(
        "--layers", metavar="L:V,…", help="velocity 1-127 of each layer, such as 25:45,47:75"
    )
    own.add_argument("--reach", type=int, metavar="N", help="semitones of transposition (12)")
    own.add_argument(
        "--release", type=float, metavar="S", help="seconds in which notes die away (0.25)"
    )
    own.add_argument(
        "--fine",
        action="store_true",
        help="less noise above 10 kHz, in two to three times the time",
    )


def _add_tuning(parser: Parser) -> None:
    group = parser.add_argument_group("tuning")
    group.add_argument(
        "--tuning",
        metavar="NAME|FILE.scl",
        help="of the folder tunings or your own; adaptive: chord by chord (secor-victorian)",
    )
    group.add_argument("--keyboard", metavar="FILE.kbm", help="which keys play the scale")
    group.add_argument(
        "--tonic",
        metavar="F",
        help="degree 0 of the tuning, or relative: of a minor piece its relative major's; "
        "the chorale's own",
    )
    group.add_argument("--reference", metavar="HZ", help="of A4, or C4=256 (440)")
    group.add_argument(
        "--limit",
        type=float,
        metavar="CENTS",
        help="adaptive: how far a note may drift from Secor's temperament (25)",
    )


def _add_performance(parser: Parser) -> None:
    group = parser.add_argument_group("performance (by default the style's)")
    group.add_argument("--style", metavar="NAME", help="plain, calm or original (calm)")
    group.add_argument(
        "--tempo",
        metavar="Q",
        help="quarter notes a minute, or step:Q,step:Q… with straight lines between; "
        "the chorale's own",
    )
    group.add_argument("--fermata", type=float, metavar="BEATS", help="held longer by (0.5)")
    group.add_argument(
        "--broaden", type=float, metavar="X", help="phrase ends are slower by, 0-1 (0.06)"
    )
    group.add_argument(
        "--hold", type=float, metavar="S", help="seconds past a note's end: legato (-0.02)"
    )
    group.add_argument("--dynamics", metavar="HOW", help="phrase, even or walk (phrase)")
    group.add_argument(
        "--levels", metavar="V:DB,…", help="decibels, such as soprano:3,bass:-2; or one a voice"
    )
    group.add_argument(
        "--stage", metavar="HOW", help="spread, random, or places 0-1, one a voice (spread)"
    )
    group.add_argument("--glide", type=float, metavar="S", help="seconds into the next note (0)")
    group.add_argument(
        "--shift", type=int, metavar="N", help="semitones: play another key's sample, retuned (0)"
    )
    group.add_argument("--loose", action="store_true", help="starts and velocities not quite exact")
    group.add_argument("--seed", type=int, help="of what is left to chance (1)")


def add_purity(commands: argparse._SubParsersAction) -> None:
    parser = add_command(
        commands, "purity", "tell how pure a chorale is in several temperaments", module="sounding"
    )
    parser.add_argument("source", metavar="IN", help=SOURCE)
    parser.add_argument(
        "--tunings",
        metavar="NAMES",
        help="with commas: of the folder tunings, adaptive, or paths of .scl files (all of these)",
    )
    parser.add_argument(
        "--tonic", metavar="F", help="degree 0 of the tunings, or relative; the chorale's own"
    )
    parser.add_argument("--chords", action="store_true", help="the sizes of its chords instead")
    parser.add_argument("--csv", metavar="FILE.csv", help="also write the table here, in full")
    parser.add_argument(
        "--picture", metavar="FILE.png", help="the temperaments' fifths and thirds; .svg, .pdf"
    )
    parser.add_argument("--force", action="store_true", help="replace existing files")
