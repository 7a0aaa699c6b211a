"""What SFZ's opcodes mean here: text of regions as regions that play.

One recording plays a note. Where a file holds several for the same key and velocity,
the first one plays: other takes (seq_position, lorand), other articulations (key
switches, controllers) and the noise of keys let go are left out, and said so. Opcodes
that aren't known here are named once. Meanings after https://sfzformat.com/opcodes.
"""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np

from coconet.errors import ChoraleError, nearest_name, shown
from coconet.render.regions import (
    LONGEST_RING,
    LOOP_MODES,
    LOUDEST,
    SHORTEST_RELEASE,
    Region,
    empty_chart,
    key_hz,
)
from coconet.render.sample_names import key_of
from coconet.render.sfz import Opcode, Section, parse_sfz
from coconet.render.tape import SILENCE
from coconet.render.wavs import Facts, read_facts
from coconet.tuning import KEYS

#: Other names of the same.
ALIASES = {
    "loopmode": "loop_mode",
    "loopstart": "loop_start",
    "loopend": "loop_end",
    "pitch": "tune",
    "gain": "volume",
}
VOLUMES = ("volume", "group_volume", "master_volume", "global_volume")
#: Numbers: lowest and highest, as far as makes sense here.
NUMBERS = {
    **{name: (-144, 48) for name in VOLUMES},
    "amplitude": (0, 1000),
    "amp_veltrack": (-100, 100),
    "pan": (-100, 100),
    "tune": (-9600, 9600),
    "transpose": (-127, 127),
    "pitch_keytrack": (-1200, 1200),
    "offset": (0, 2**32),
    "end": (-1, 2**32),
    "loop_start": (0, 2**32),
    "loop_end": (0, 2**32),
    "ampeg_attack": (0, 100),
    "ampeg_hold": (0, 100),
    "ampeg_decay": (0, 100),
    "ampeg_sustain": (0, 100),
    "ampeg_release": (0, 100),
    "lovel": (0, LOUDEST),
    "hivel": (0, LOUDEST),
    "seq_position": (1, 100),
    "lorand": (0, 1),
    "note_offset": (-127, 127),
    "octave_offset": (-10, 10),
}
#: Those of them that are whole.
WHOLE = {"transpose", "offset", "end", "loop_start", "loop_end", "lovel", "hivel"}
WHOLE |= {"seq_position", "note_offset", "octave_offset"}
KEY_NAMES = ("key", "lokey", "hikey", "pitch_keycenter", "sw_last", "sw_default")
OTHER_NAMES = ("sample", "default_path", "loop_mode", "trigger")
#: Names for people, and what only goes with opcodes that are read.
SILENT = re.compile(r"\w*label(_cc|_key)?\d*|seq_length|hirand|sw_(lo|hi)key|set_(hd)?cc\d+")
_CONTROLLER = re.compile(r"(lo|hi|set_)(hd)?cc(\d+)")
#: Controllers stand at these values, the others at 0, unless the file says otherwise.
CONTROLLERS = {7: 100, 10: 64, 11: 127}
#: At fewer dB even a recording as loud as can be is silence.
QUIETEST = 20 * math.log10(SILENCE)
#: What begins the names of opcodes by which a controller, not a key, starts a sound.
ELSEWHERE = tuple(
    f"{by}_{end}{fine}cc" for by in ("on", "start") for end in ("lo", "hi") for fine in ("", "hd")
)
#: When a region sounds: as a key is struck, or else.
TRIGGERS = ("attack", "first", "legato", "release", "release_key")
#: Numbers as SFZ has them: no digits of other scripts, no underscores between them.
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
#: Unknown opcodes that a warning names.
NAMED = 20
SKIPPED = {
    "release": "sounds of keys let go (trigger)",
    "take": "other takes of the same (seq_position, lorand)",
    "switch": "other articulations (sw_last)",
    "controller": "what a controller would have to call (locc, hicc, on_locc)",
    "legato": "what sounds only legato (trigger)",
    "pitch": "what doesn't follow the keys (pitch_keytrack)",
    "disabled": "what is switched off (key -1, end -1, empty ranges)",
    "silent": "what is too soft to be heard (volume, amplitude)",
    "generated": "generated waves and silence (sample=*...)",
}


def sfz_regions(path: Path | str) -> tuple[list[Region], np.ndarray, list[str]]:
    """The regions of an SFZ file, the chart of which one plays where, and what was odd.

    Returns
    -------
    regions : those that can sound, in the file's order
    chart : int array, shape=(128, 128): region of each key and velocity, or -1
    warnings : one line each: what is left out, opcodes that aren't known

    Raises ChoraleError with file and line for text that isn't SFZ, values out of range,
    and samples that are missing or broken.
    """
    path = Path(path)
    sections, warnings = parse_sfz(path)
    files = _Files(path.parent)
    regions, skipped, unknown, first_switch = [], {}, {}, None
    for section in sections:
        values = _Values(section)
        if first_switch is None and "sw_last" in values:
            first_switch = values.key("sw_last")
        if reason := _left_out(values, first_switch):
            skipped.setdefault(reason, []).append(values.place)
        else:
            _note_unknown(values, unknown)
            regions.append(_region(values, files))
    if not regions:
        reasons = "; ".join(SKIPPED[reason] for reason in skipped)
        raise ChoraleError(f"{path}: none of {len(sections)} regions plays here: {reasons}")
    for reason, places in skipped.items():
        warnings.append(
            f"{path.name}: {len(places)} of {len(sections)} regions left out, from {places[0]} on: "
            f"{SKIPPED[reason]}"
        )
    if files.unlooped:
        warnings.append(
            f"{path.name}: {len(files.unlooped)} of {len(sections)} regions, from "
            f"{files.unlooped[0]} on, play without the loop of their file, which lies outside "
            "offset and end"
        )
    if unknown:
        names = [f"{name} ({place})" for name, place in sorted(unknown.items())]
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        warnings.append(
            f"{path.name}: opcodes that aren't known here have no effect: "
            f"{', '.join(names[:NAMED])}{more}"
        )
    chart = empty_chart()
    for index in reversed(range(len(regions))):  # of several, the first stays
        (low, high), (soft, loud) = regions[index].keys, regions[index].velocities
        chart[low : high + 1, soft : loud + 1] = index
    chart[:, 0] = empty_chart()[:, 0]
    hidden = [
        region.source
        for index, region in enumerate(regions)
        if np.count_nonzero(chart == index) < _cells(region)
    ]
    if hidden:
        warnings.append(
            f"{path.name}: {len(hidden)} of {len(sections)} regions, from {hidden[0]} on, lie over "
            "earlier ones for the same keys and velocities; one sample plays a note, the first"
        )
    return regions, chart, warnings


class _Values:
    """The opcodes of a region as numbers, keys and words, checked."""

    def __init__(self, section: Section) -> None:
        self.opcodes: dict[str, Opcode] = {}
        self.place = section.place
        for name, opcode in section.opcodes.items():
            if name == "key":  # it stands for all of these, and what follows changes them
                for other in ("lokey", "hikey", "pitch_keycenter"):
                    self.opcodes.pop(other, None)
            self.opcodes[ALIASES.get(name, name)] = opcode

    def __contains__(self, name: str) -> bool:
        return name in self.opcodes

    def text(self, name: str, default: str = "") -> str:
        return self.opcodes[name].value if name in self.opcodes else default

    def number(self, name: str, default: float) -> float:
        if name not in self.opcodes:
            return default
        opcode = self.opcodes[name]
        low, high = NUMBERS[name]
        kind = "a whole number" if name in WHOLE else "a number"
        value = _plain(opcode.value)
        if not low <= value <= high or (name in WHOLE and value % 1):
            raise ChoraleError(
                f"{opcode.place}: {name}: expected {kind} from {low} to {high}, "
                f"got {shown(opcode.value)}"
            )
        return value

    def whole(self, name: str, default: int) -> int:
        return int(self.number(name, default))

    def key(self, name: str, default: int | None = None) -> int | None:
        """A MIDI key, shifted as <control> says; -1 switches off."""
        if name not in self.opcodes:
            return default
        opcode = self.opcodes[name]
        key = key_of(opcode.value)
        if key is None or not -1 <= key < KEYS:
            raise ChoraleError(
                f"{opcode.place}: {name}: expected a key such as 60 or c4, "
                f"got {shown(opcode.value)}"
            )
        return key if key < 0 else key + self.shift

    @property
    def gain(self) -> float:
        """dB; an amplitude of 0 is -inf."""
        amplitude = self.number("amplitude", 100) / 100
        louder = 20 * math.log10(amplitude) if amplitude else -math.inf
        return sum(self.number(name, 0) for name in VOLUMES) + louder

    @property
    def shift(self) -> int:
        return self.whole("note_offset", 0) + 12 * self.whole("octave_offset", 0)


def _left_out(values: _Values, first_switch: int | None) -> str:
    """Why a region never plays here, as a key of `SKIPPED`; '' for one that plays."""
    trigger = values.text("trigger", "attack").lower()
    if trigger not in TRIGGERS:
        opcode = values.opcodes["trigger"]
        raise ChoraleError(
            f"{opcode.place}: trigger: expected {', '.join(TRIGGERS)}, "
            f"got {shown(opcode.value)}{nearest_name(trigger, TRIGGERS)}"
        )
    low, high = _keys(values)
    soft, loud = values.whole("lovel", 0), values.whole("hivel", LOUDEST)
    sample = values.text("sample")
    if trigger in ("release", "release_key"):
        return "release"
    if trigger == "legato":
        return "legato"
    if values.whole("seq_position", 1) > 1 or values.number("lorand", 0) > 0:
        return "take"
    if "sw_last" in values and values.key("sw_last") != values.key("sw_default", first_switch):
        return "switch"
    if _controlled(values):
        return "controller"
    if values.number("pitch_keytrack", 100) != 100 and low != high:
        return "pitch"
    empty = low > high or high < 0 or low >= KEYS or soft > loud or loud < 1
    if empty or values.whole("end", 0) == -1:
        return "disabled"
    if values.gain < QUIETEST:
        return "silent"
    return "generated" if sample.startswith("*") else ""


def _controlled(values: _Values) -> bool:
    """Whether a region asks for a controller to stand elsewhere than it does."""
    stands, bounds = dict(CONTROLLERS), []
    for name, opcode in values.opcodes.items():
        if name.startswith(ELSEWHERE):
            return True
        if not (asked := _CONTROLLER.fullmatch(name)):
            continue
        kind, fine, controller = asked[1], asked[2], int(asked[3])
        value = _plain(opcode.value) * (LOUDEST if fine else 1)  # hdcc goes from 0 to 1
        if not math.isfinite(value):
            raise ChoraleError(
                f"{opcode.place}: {name}: expected a number, got {shown(opcode.value)}"
            )
        if kind == "set_":
            stands[controller] = value
        else:
            bounds.append((kind, fine, controller, value))
    for kind, fine, controller, bound in bounds:
        at = stands.get(controller, 0)
        # A hicc of 63 holds up to a locc of 64.
        if at < bound if kind == "lo" else (at if fine else math.floor(at)) > bound:
            return True
    return False


def _plain(text: str) -> float:
    """A number as SFZ has it; nan for all else."""
    return float(text) if _NUMBER.fullmatch(text) else math.nan


def _keys(values: _Values) -> tuple[int, int]:
    """The lowest and highest key; below 0 or empty where the region is switched off."""
    key = values.key("key")
    low = values.key("lokey", 0 if key is None else key)
    high = values.key("hikey", KEYS - 1 if key is None else key)
    # hikey=-1 alone switches a region off; lokey=-1 alone is the lowest key.
    return (max(low, 0), high) if high >= 0 else (0, -1)


def _region(values: _Values, files: _Files) -> Region:
    """A region that plays."""
    if "sample" not in values:
        raise ChoraleError(f"{values.place}: a region without a sample")
    sample = values.opcodes["sample"]
    facts = files.find(values.text("default_path") + sample.value, sample.place)
    offset = values.whole("offset", 0)
    end = min(values.whole("end", facts.frames - 1) + 1, facts.frames)
    if offset >= end:
        raise ChoraleError(
            f"{values.place}: expected offset before the end, got {offset} of {end} frames "
            f"({facts.path.name})"
        )
    mode, loop = _loop(values, files, facts, offset, end)
    low, high = _keys(values)
    velocities = max(values.whole("lovel", 1), 1), values.whole("hivel", LOUDEST)
    return Region(
        facts,
        (low, min(high, KEYS - 1)),
        velocities,
        _hz(values, facts),
        layer="" if velocities == (1, LOUDEST) else f"{velocities[0]}-{velocities[1]}",
        gain=values.gain,
        track=values.number("amp_veltrack", 100) / 100,
        pan=values.number("pan", 0) / 100,
        offset=offset,
        end=end,
        mode=mode,
        loop=loop,
        attack=values.number("ampeg_attack", 0),
        hold=values.number("ampeg_hold", 0),
        decay=values.number("ampeg_decay", 0),
        sustain=values.number("ampeg_sustain", 100) / 100,
        release=min(max(values.number("ampeg_release", 0), SHORTEST_RELEASE), LONGEST_RING),
        source=values.place,
    )


def _hz(values: _Values, facts: Facts) -> float:
    """Hz at the recorded speed: a player sounds `pitch_keycenter` at it, plus `tune`."""
    if values.text("pitch_keycenter").lower() == "sample":
        if facts.key is None:
            place = values.opcodes["pitch_keycenter"].place
            raise ChoraleError(
                f"{place}: pitch_keycenter=sample: {facts.path.name} tells no key; "
                "expected a key such as 60 or c4"
            )
        center = facts.key
    else:
        center = values.key("pitch_keycenter", values.key("key", 60))
    away = values.number("transpose", 0) + values.number("tune", 0) / 100
    return key_hz(center - away)


def _loop(
    values: _Values, files: _Files, facts: Facts, offset: int, end: int
) -> tuple[str, tuple[int, int] | None]:
    """The mode and, where it is looped, the loop: by the opcodes, or else by the file."""
    mode = values.text("loop_mode", "loop_continuous" if facts.loop else "no_loop")
    if mode not in LOOP_MODES:
        raise ChoraleError(
            f"{values.opcodes['loop_mode'].place}: loop_mode: expected "
            f"{', '.join(LOOP_MODES)}, got {shown(mode)}{nearest_name(mode, LOOP_MODES)}"
        )
    if not mode.startswith("loop"):
        return mode, None
    first, last = facts.loop or (offset, end)
    first = values.whole("loop_start", first)
    last = min(values.whole("loop_end", last - 1) + 1, end)
    if not offset <= first < last:
        if "loop_start" not in values and "loop_end" not in values:
            files.unlooped.append(values.place)
            return "no_loop", None
        raise ChoraleError(
            f"{values.place}: expected a loop within frames {offset}-{end - 1}, got "
            f"{first}-{last - 1} ({facts.path.name})"
        )
    return mode, (first, last)


def _cells(region: Region) -> int:
    (low, high), (soft, loud) = region.keys, region.velocities
    return (high - low + 1) * (loud - soft + 1)


def _note_unknown(values: _Values, unknown: dict[str, str]) -> None:
    """Note opcodes that aren't known, each at its first place."""
    for name, opcode in values.opcodes.items():
        known = name in NUMBERS or name in KEY_NAMES or name in OTHER_NAMES
        controlled = _CONTROLLER.fullmatch(name) or name.startswith(("on_", "start_"))
        if not (known or controlled or SILENT.fullmatch(name)):
            unknown.setdefault(name, opcode.place)


class _Files:
    """The samples of an SFZ file, each read once, found whatever their names' case."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.facts: dict[str, Facts] = {}
        self.listings: dict[Path, dict[str, str]] = {}
        #: Places of regions that leave out the loop of their file.
        self.unlooped: list[str] = []

    def find(self, name: str, place: str) -> Facts:
        """What the header of a sample says; its name is relative to the SFZ file."""
        if name not in self.facts:
            try:
                path = self._existing(Path(self.folder, name.replace("\\", "/")))
            except OSError as error:
                raise ChoraleError(
                    f"{place}: sample {shown(name)}: can't be read ({error.strerror or error})"
                ) from error
            if path is None:
                raise ChoraleError(f"{place}: sample {shown(name)}: no such file in {self.folder}")
            try:
                self.facts[name] = read_facts(path)
            except ChoraleError as error:
                raise ChoraleError(f"{place}: sample {error}") from error
        return self.facts[name]

    def _existing(self, path: Path) -> Path | None:
        """The file of that name, or of that name in capitals or small letters."""
        if path.is_file():
            return path
        found = self.folder
        for part in path.relative_to(self.folder).parts if path.is_relative_to(found) else ():
            if part != ".." and not Path(found, part).exists():
                part = self._listing(found).get(part.lower(), part)
            found = Path(found, part)
        return found if found.is_file() else None

    def _listing(self, folder: Path) -> dict[str, str]:
        if folder not in self.listings:
            names = folder.iterdir() if folder.is_dir() else ()
            self.listings[folder] = {item.name.lower(): item.name for item in names}
        return self.listings[folder]
