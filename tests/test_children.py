"""Programs that are started, and that end when they should."""

import os
import subprocess
import threading
import time

import pytest

from coconet.render.children import Household, ended_by, run_child


def lives(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_child_reads_writes_and_tells_how_it_ended():
    done = run_child(["sh", "-c", "cat; echo no >&2; exit 3"], patience=60, text="yes")
    assert (done.returncode, done.stdout, done.stderr) == (3, "yes", "no\n")
    done = run_child(["sh", "-c", "echo $TONE; printf '\\377'"], patience=60, env={"TONE": "A"})
    assert done.stdout == "A\n\N{REPLACEMENT CHARACTER}"


def test_a_child_that_takes_too_long_is_ended(tmp_path):
    note = tmp_path / "pid"
    with pytest.raises(subprocess.TimeoutExpired):
        run_child(["sh", "-c", f"echo $$ > {note}; exec sleep 600"], patience=0.3)
    assert not lives(int(note.read_text()))


def test_a_household_ends_its_children_and_only_those():
    household, codes = Household(), {}

    def run(name, entered):
        command = ["sh", "-c", "read line"] if name == "stranger" else ["sleep", "600"]
        with household.entered() if entered else Household().entered():
            codes[name] = run_child(command, patience=600, text="\n").returncode

    threads = [threading.Thread(target=run, args=(name, True)) for name in ("one", "two")]
    threads.append(threading.Thread(target=run, args=("stranger", False)))
    for thread in threads:
        thread.start()
    begin = time.monotonic()
    while len(household._ends) < 2:
        assert time.monotonic() - begin < 60, "the children don't start"
        time.sleep(0.01)
    household.end()
    for thread in threads:
        thread.join()
    assert codes == {"one": -9, "two": -9, "stranger": 0}
    run("late", True)
    assert codes["late"] == -9, "who comes after the end is ended too"


def test_a_household_stops_work_that_is_no_program():
    household, stops = Household(), [threading.Event() for _ in range(4)]
    with ended_by(stops[0].set), household.entered():
        with ended_by(stops[1].set):
            pass
        with ended_by(stops[2].set):
            household.end()
        with ended_by(stops[3].set):
            pass
    assert [stop.is_set() for stop in stops] == [False, False, True, True]
