"""How much faster than it is played a piece becomes a sound file, and in how much memory.

    python benchmarks/sound_speed.py [csound|fluidsynth|INSTRUMENT …]   whole commands
    python benchmarks/sound_speed.py parts      where the time of one command goes
    python benchmarks/sound_speed.py long       ten minutes of 16 voices: time and memory

Whole commands are `coconet render` in a process of its own, from the start of Python to
the file on the disk, in the default hall. The pieces are chorales of the corpus one after
the other, as one voice to a part; sixteen voices are four of them at once.
"""

from __future__ import annotations

import itertools
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from coconet.chorale import Chorale, save_chorale
from coconet.corpus import load_corpus
from coconet.render import perform_tempered
from coconet.render.audio import scratch_folder, write_sound
from coconet.render.bands import csound_band
from coconet.render.chunks import play_into
from coconet.render.csound import play_csound
from coconet.render.finish import finish
from coconet.render.soundfonts import find_soundfont
from coconet.render.tape import Tape

#: Every figure is the best of so many runs.
RUNS = 3


def piece_of(seconds: float, voices: int) -> Chorale:
    """Bach's chorales in 4/4, end to end at 72 quarters a minute, for so long."""
    steps = round(seconds * 72 / 60 * 4)
    pieces = [piece for piece in load_corpus("train") if piece.time_signature == "4/4"]
    rows = []
    for quartet in range(voices // 4):
        grids = [piece.grid for piece in pieces[40 * quartet : 40 * quartet + 40]]
        row = np.concatenate(grids, axis=1)
        rows.append(np.tile(row, -(-steps // row.shape[1]))[:, :steps])
    return Chorale(np.concatenate(rows), tempo=72, title=f"{seconds:g} s of {voices} voices")


def command(array: Path, out: Path, *options: str) -> float:
    """Seconds that the whole command takes."""
    began = time.monotonic()
    subprocess.run(
        [sys.executable, "-m", "coconet", "render", array, "--out", out, "--force", *options],
        check=True,
        capture_output=True,
    )
    return time.monotonic() - began


def speeds(wishes: list[str]) -> None:
    ways = {
        "piano": ("--synth", "csound", "--instrument", "piano"),
        "organ": ("--instrument", "organ"),
        "strings": ("--instrument", "strings"),
        "choir": ("--instrument", "choir"),
        "harpsichord": ("--instrument", "harpsichord"),
        "clavichord": ("--instrument", "clavichord"),
        "fluidsynth": ("--synth", "fluidsynth"),
    }
    print(f"{'60 s of music':22}{'4 voices':>24}{'16 voices':>24}")
    with tempfile.TemporaryDirectory() as folder:
        arrays = {
            voices: save_chorale(piece_of(60, voices), Path(folder) / f"{voices}.npy")
            for voices in (4, 16)
        }
        for name in wishes or ways:
            row = ""
            for array in arrays.values():
                best = min(command(array, Path(folder) / "a.wav", *ways[name]) for _ in range(RUNS))
                row += f"{best:12.2f} s {60 / best:7.1f} ×"
            print(f"{name:22}{row}")


def parts() -> None:
    font = find_soundfont()
    print(f"{'60 s, piano, seconds':28}{'4 voices':>10}{'16 voices':>10}")
    rows: dict[str, list[float]] = {}
    for voices in (4, 16):
        marks = [("", time.monotonic())]

        def mark(name: str, marks: list[tuple[str, float]] = marks) -> None:
            marks.append((name, time.monotonic()))

        chorale = piece_of(60, voices)
        mark("the piece")
        performance, _ = perform_tempered(chorale)
        mark("the performance")
        band = csound_band("piano", voices=voices, soundfont=font)
        mark("the band, calibrated before")
        with scratch_folder() as scratch:
            tape = Tape(scratch / "dry.f32")
            play_into(
                performance, tape, lambda part, band=band: play_csound(part, band), ring=band.ring
            )
            mark("Csound, two at a time")
            finished = finish(tape, scratch=scratch, hall="chamber")
            mark("hall and level")
            write_sound(scratch / "a.wav", finished.tape)
            mark("the file")
        for (_, before), (name, after) in itertools.pairwise(marks):
            rows.setdefault(name, []).append(after - before)
    for name, seconds in rows.items():
        print(f"{name:28}" + "".join(f"{second:10.2f}" for second in seconds))


def long() -> None:
    with tempfile.TemporaryDirectory() as folder:
        array = save_chorale(piece_of(600, 16), Path(folder) / "long.npy")
        seconds = command(array, Path(folder) / "a.wav", "--instrument", "piano")
        size = os.path.getsize(Path(folder) / "a.wav")
    # Of all children and theirs, the largest; two of Csound's run beside the command.
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"10 minutes of 16 voices: {seconds:.1f} s, {600 / seconds:.1f} times as fast as played")
    print(f"{size / 1e6:.0f} MB of WAV; the largest process had {peak:.0f} MB")


def main() -> None:
    wishes = sys.argv[1:]
    if wishes == ["parts"]:
        parts()
    elif wishes == ["long"]:
        long()
    else:
        speeds(wishes)


if __name__ == "__main__":
    main()
