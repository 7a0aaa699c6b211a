"""A long performance, a chunk at a time: several synthesisers at once, little in memory.

Conventions
-----------
An **engine** is any callable that turns a `Performance` into sound: a float32 array of
shape (round(seconds * SAMPLE_RATE), 2) whose sample 0 is second 0, the same each time.
A note belongs to the chunk in which it starts, and a chunk lasts until its last note
has rung out; where chunks overlap they add up. Where the chunks are cut depends on the
performance alone, so that any number of workers makes the same bytes.

Memory: as many chunks as workers, and one more, are held at once, and two more while
one is mixed. A minute is 21 MB, so two workers need about 110 MB besides what their
engines do, however long the piece. Only a note that is held for minutes makes its chunk
as long as itself.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace

import numpy as np

from coconet.checks import number, whole
from coconet.errors import ChoraleError
from coconet.render.children import Household
from coconet.render.events import Performance
from coconet.render.tape import CHANNELS, SAMPLE_RATE, SILENCE, Tape

Engine = Callable[[Performance], np.ndarray]

#: A chunk begins at a multiple of so many frames, 0.64 s: whole blocks of both Csound
#: and FluidSynth (64 frames each), and whole milliseconds, in which FluidSynth counts.
#: So both round the times of notes in a chunk as they do in the whole.
GRAIN = 64 * 441
#: Up to so many seconds a performance is one chunk: a second start would cost more
#: than it saves.
SHORT = 8.0
#: A chunk is at most about so many seconds long, without what rings on.
LONGEST = 60.0
#: A note this many decibels below one of velocity 127 need not be heard to be right.
AUDIBLE = -40.0


def play_into(
    performance: Performance,
    tape: Tape,
    engine: Engine,
    *,
    ring: float,
    workers: int = 2,
    on_progress: Callable[[float], None] | None = None,
    name: str = "sound",
) -> None:
    """Play a performance onto an empty tape, in chunks, by several workers.

    Parameters
    ----------
    performance : any length
    tape : then exactly round(performance.seconds * SAMPLE_RATE) frames long
    engine : is called from several threads at once; one that starts its program by
        `children.run_child`, or says by `children.ended_by` how it is stopped, ends at
        once where another one fails
    ring : seconds that a note rings on after its end, 0-60
    workers : how many chunks are played at once; the sound is the same for any number
    on_progress : called with the share that is done, up to 1, after each chunk
    name : how messages call the sound, such as 'Csound'

    Raises
    ------
    ChoraleError
        For a performance without notes, and what `check_chunk` and the engine complain
        of; then, as after Ctrl-C, all workers have stopped.
    """
    workers = whole(workers, "workers", 1, 256)
    ring = number(ring, "ring", 0, 60)
    if not len(performance.notes):
        raise ChoraleError(f"{performance.title or name}: has no notes to sound")
    frames = round(performance.seconds * SAMPLE_RATE)
    waiting = deque(cut(performance, ring))
    count, done = len(waiting), 0
    playing: deque[tuple[int, Future[np.ndarray]]] = deque()
    running: set[Future[np.ndarray]] = set()
    household = Household()
    pool = ThreadPoolExecutor(min(workers, count), thread_name_prefix="synthesiser")
    try:
        while waiting or playing:
            while waiting and len(playing) <= workers:
                first, part = waiting.popleft()
                task = pool.submit(_play, engine, part, first, household, name)
                playing.append((first, task))
                running.add(task)
            finished, running = wait(running, return_when=FIRST_COMPLETED)
            for task in finished:
                task.result()  # one that failed needn't wait for its turn
            del task, finished  # they hold the sound
            while playing and playing[0][1].done():
                first, task = playing.popleft()
                running.discard(task)
                tape.add(first, task.result())
                del task
                done += 1
                if on_progress:
                    on_progress(done / count)
    except BaseException:
        household.end()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    tape.cut(frames)


def chunk_starts(seconds: float) -> np.ndarray:
    """Where a performance of so many seconds is cut.

    Short ones stay whole; others fall into an even number of equal parts of up to a
    minute, so that two workers finish together.

    Returns
    -------
    int array: first frame of each chunk, rising from 0, multiples of `GRAIN`

    >>> (chunk_starts(60) / SAMPLE_RATE).tolist()
    [0.0, 30.08]
    """
    if seconds <= SHORT:
        return np.zeros(1, int)
    count = 2 * math.ceil(seconds / (2 * LONGEST))
    grains = seconds * SAMPLE_RATE / GRAIN
    return np.rint(np.arange(count) * (grains / count)).astype(int) * GRAIN


def cut(performance: Performance, ring: float) -> Iterator[tuple[int, Performance]]:
    """The chunks of a performance that hold notes, in order.

    Yields
    ------
    first : the frame at which the chunk begins
    part : its notes, timed from there; its `seconds` reach to the end of what rings, or
        of the performance
    """
    notes, frames = performance.notes, round(performance.seconds * SAMPLE_RATE)
    starts = chunk_starts(performance.seconds)
    homes = np.searchsorted(starts / SAMPLE_RATE, notes["start"], side="right") - 1
    for home, first in enumerate(starts.tolist()):
        own = notes[homes == home]
        if not len(own):
            continue
        own["start"] -= first / SAMPLE_RATE
        last = math.ceil(((own["start"] + own["duration"]).max() + ring) * SAMPLE_RATE)
        length = min(last, frames - first)
        part = replace(performance, notes=own, seconds=length / SAMPLE_RATE, times=np.zeros(0))
        yield first, part


def audible(performance: Performance) -> np.ndarray:
    """Which notes are loud enough that silence in their place is a fault: bool array.

    The loudness of a note goes with the square of its velocity, and by its level.
    """
    notes = performance.notes
    return 40 * np.log10(notes["velocity"] / 127) + notes["level"] >= AUDIBLE


def check_chunk(samples: np.ndarray, part: Performance, *, first: int = 0, name: str) -> None:
    """Check the sound of a chunk: its shape and numbers, and that each note is heard.

    Parameters
    ----------
    samples : what an engine made of `part`
    first : frame of the whole performance at which it begins; messages count from there

    Raises
    ------
    ChoraleError
        For the wrong shape or length, values that aren't finite, silence, and silence
        throughout a note that is `audible`.
    """
    frames = round(part.seconds * SAMPLE_RATE)
    if samples.shape != (frames, CHANNELS):
        raise ChoraleError(
            f"{name}: expected sound of shape {(frames, CHANNELS)}, got {samples.shape}"
        )
    left, right = np.abs(samples).T
    loudness = np.maximum(left, right)
    if not np.isfinite(loudness.max(initial=0.0)):
        raise ChoraleError(f"{name}: the sound holds values that aren't finite")
    heard = np.concatenate([[0], np.cumsum(loudness >= SILENCE)])
    spans = part.spans[audible(part)]
    begins, ends = np.clip(np.rint(spans * SAMPLE_RATE).astype(int), 0, frames).T
    for silent in np.flatnonzero(heard[ends] == heard[begins])[:1]:
        start, end = spans[silent] + first / SAMPLE_RATE
        raise ChoraleError(
            f"{name}: a note at {start:.2f}-{end:.2f} s is silent; "
            "does what plays it hold this key?"
        )


def _play(
    engine: Engine, part: Performance, first: int, household: Household, name: str
) -> np.ndarray:
    """In a worker: the checked sound of one chunk."""
    with household.entered():
        try:
            samples = engine(part)
        except ChoraleError as error:
            if not first:
                raise
            begin = f"{first / SAMPLE_RATE:.2f} s"
            raise ChoraleError(f"{error} (in the part from {begin} on)") from error
    check_chunk(samples, part, first=first, name=name)
    return samples
