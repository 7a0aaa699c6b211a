"""MusicXML out: a chorale as a score that notation programs open and print well.

Two layouts: 'closed' has soprano and alto on one staff, tenor and bass on the
other, braced, stems apart; 'open' has a staff a voice. More than four voices
are quartets, one below the other. Durations count sixteenths.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np

from coconet.chorale import Chorale, parse_time_signature
from coconet.colours import voice_colour
from coconet.errors import ChoraleError
from coconet.files import atomic_path
from coconet.grid import STEPS_PER_QUARTER, validate_hidden, voice_name
from coconet.notation import VALUES, Symbol, by_bar, mark_accidentals, measures, symbols
from coconet.spelling import name_of

DOCTYPE = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<!DOCTYPE score-partwise PUBLIC "-//Recordare//DTD MusicXML 4.0 Partwise//EN"'
    ' "http://www.musicxml.org/dtds/partwise.dtd">\n'
)


def write_musicxml(
    chorale: Chorale, path: Path | str, *, layout: str = "closed", force: bool = False
) -> Path:
    """Write a chorale as uncompressed MusicXML 4.0 and return its path.

    Raises ChoraleError where the file exists (unless `force`) or can't be
    written; nothing half-written stays behind.
    """
    text = musicxml_of(chorale, layout=layout)
    with atomic_path(Path(path), force=force) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return Path(path)


def musicxml_of(
    chorale: Chorale,
    *,
    layout: str = "closed",
    hidden: np.ndarray | None = None,
    title: str | None = None,
) -> str:
    """A chorale as MusicXML text.

    Parameters
    ----------
    layout : 'closed' (two staves a quartet) or 'open' (a staff a voice)
    hidden : bool array, shape=(voices, steps): notes in these cells are
        printed in their voice's colour
    title : by default the chorale's own; '' for none
    """
    if layout not in ("closed", "open"):
        raise ChoraleError(f"layout: expected 'closed' or 'open', got {layout!r}")
    shape = chorale.grid.shape
    marked = np.zeros(shape, bool) if hidden is None else validate_hidden(hidden, shape)
    title = chorale.title if title is None else title
    bars = measures(chorale)
    voices = symbols(chorale, bars, marked)
    size = 2 if layout == "closed" and chorale.voices > 1 else 1
    staves = [
        tuple(range(first, min(first + size, chorale.voices)))
        for first in range(0, chorale.voices, size)
    ]
    root = ET.Element("score-partwise", version="4.0")
    if title or chorale.bwv:
        work = _add(root, "work")
        if chorale.bwv:
            _add(work, "work-number", f"BWV {chorale.bwv}")
        if title:
            _add(work, "work-title", title)
            _add(root, "movement-title", title)
    identification = _add(root, "identification")
    if chorale.bwv:
        # What was rewritten is no longer Bach's alone.
        after = "after " if "hidden" in chorale.provenance else ""
        _add(identification, "creator", f"{after}Johann Sebastian Bach", type="composer")
    _add(_add(identification, "encoding"), "software", "coconet")
    # A silent voice isn't named, so that a reader can tell which one of a staff is missing.
    sounding = [row for row in range(chorale.voices) if chorale.grid[row].any()]
    _add_part_list(root, staves, sounding)
    for index, rows in enumerate(staves):
        part = _add(root, "part", id=f"P{index + 1}")
        lone = len(rows) == 1 or any(not chorale.grid[row].any() for row in rows)
        mark_accidentals([voices[row] for row in rows], bars, chorale.sharps)
        lines = [by_bar(voices[row], bars) for row in rows]
        for bar, contents in zip(bars, zip(*lines, strict=True), strict=True):
            measure = _add(part, "measure", number=str(bar.number))
            if bar.offset or (bar.number == 0):
                measure.set("implicit", "yes")
            if bar is bars[0]:
                _add_attributes(measure, chorale, _clef(rows, chorale))
                if index == 0:
                    direction = _add(measure, "direction")
                    _add(_add(direction, "direction-type"), "words", "")
                    _add(direction, "sound", tempo=f"{chorale.tempo:g}")
            _add_voices(measure, rows, contents, bar.end - bar.start, lone=lone)
            if bar is bars[-1]:
                line = _add(measure, "barline", location="right")
                _add(line, "bar-style", "light-heavy")
    ET.indent(root, " ")
    return DOCTYPE + ET.tostring(root, encoding="unicode") + "\n"


def _add_part_list(
    root: ET.Element, staves: Sequence[tuple[int, ...]], sounding: Sequence[int]
) -> None:
    listing = _add(root, "part-list")
    size = len(staves[0])
    group = 0
    for index, rows in enumerate(staves):
        if rows[0] % 4 == 0 and len(staves) > 1:
            group += 1
            start = _add(listing, "part-group", type="start", number=str(group))
            _add(start, "group-symbol", "brace" if size == 2 else "bracket")
            _add(start, "group-barline", "yes" if size == 2 else "no")
        part = _add(listing, "score-part", id=f"P{index + 1}")
        named = [row for row in rows if row in sounding] or rows
        names = " ".join(voice_name(row).capitalize() for row in named)
        _add(part, "part-name", names).set("print-object", "no" if size == 2 else "yes")
        if len(staves) > 1 and (rows[-1] % 4 == 3 or index == len(staves) - 1):
            _add(listing, "part-group", type="stop", number=str(group))


def _add_attributes(measure: ET.Element, chorale: Chorale, clef: tuple[str, int, int]) -> None:
    attributes = _add(measure, "attributes")
    _add(attributes, "divisions", str(STEPS_PER_QUARTER))
    key = _add(attributes, "key")
    _add(key, "fifths", str(chorale.sharps))
    _add(key, "mode", chorale.mode)
    beats, unit = parse_time_signature(chorale.time_signature)
    time = _add(attributes, "time")
    if (beats, unit) == (4, 4):
        time.set("symbol", "common")
    _add(time, "beats", str(beats))
    _add(time, "beat-type", str(unit))
    sign, line, octave = clef
    element = _add(attributes, "clef")
    _add(element, "sign", sign)
    _add(element, "line", str(line))
    if octave:
        _add(element, "clef-octave-change", str(octave))


def _clef(rows: Sequence[int], chorale: Chorale) -> tuple[str, int, int]:
    """Treble or bass; a tenor alone has the treble clef an octave down."""
    if rows[0] % 4 == 2 and len(rows) == 1:
        return "G", 2, -1
    if chorale.voices < 4:
        sounding = chorale.grid[list(rows)]
        middle = np.median(sounding[sounding > 0]) if sounding.any() else 60
        return ("G", 2, 0) if middle >= 58 else ("F", 4, 0)
    return ("G", 2, 0) if rows[0] % 4 < 2 else ("F", 4, 0)


def _add_voices(
    measure: ET.Element,
    rows: Sequence[int],
    contents: Sequence[Sequence[Symbol]],
    steps: int,
    *,
    lone: bool,
) -> None:
    """The voices of one bar of one staff, one after the other."""
    for number, (row, content) in enumerate(zip(rows, contents, strict=True), 1):
        if number > 1:
            _add(_add(measure, "backup"), "duration", str(steps))
        others = [s for other in contents if other is not content for s in other]
        silent = not any(symbol.pitch for symbol in content)
        others_sing = any(symbol.pitch for symbol in others)
        rests = {(s.start, s.end) for s in others if not s.pitch}
        stem = "" if lone else ("up" if number == 1 else "down")
        for symbol in content:
            # A bar of silence beside a voice that sings, or the second of two equal
            # rests, would only crowd the staff.
            twice = number > 1 and (symbol.start, symbol.end) in rests
            hide = not symbol.pitch and (twice or (silent and others_sing))
            _add_symbol(measure, symbol, voice_colour(row), number, stem, hide=hide)


def _add_symbol(
    measure: ET.Element,
    symbol: Symbol,
    colour: str,
    voice: int,
    stem: str,
    *,
    hide: bool,
) -> None:
    note = _add(measure, "note")
    if hide:
        note.set("print-object", "no")
    if symbol.written:
        note.set("color", colour)
    if symbol.pitch:
        letter, alteration, octave = name_of(symbol.place, symbol.pitch)
        pitch = _add(note, "pitch")
        _add(pitch, "step", letter)
        if alteration:
            _add(pitch, "alter", str(alteration))
        _add(pitch, "octave", str(octave))
    else:
        rest = _add(note, "rest")
        if symbol.whole:
            rest.set("measure", "yes")
    _add(note, "duration", str(symbol.steps))
    ties = [kind for kind, on in (("stop", symbol.tied_from), ("start", symbol.tied_to)) if on]
    for kind in ties:
        _add(note, "tie", type=kind)
    _add(note, "voice", str(voice))
    if not symbol.whole:
        value, dots = VALUES[symbol.steps]
        _add(note, "type", value)
        for _ in range(dots):
            _add(note, "dot")
    if symbol.accidental:
        _add(note, "accidental", symbol.accidental)
    if symbol.pitch and stem and symbol.steps < 16:
        element = _add(note, "stem", stem)
        if symbol.written:
            element.set("color", colour)
    for level, beam in enumerate(symbol.beams, 1):
        _add(note, "beam", beam, number=str(level))
    if ties or symbol.fermata:
        notations = _add(note, "notations")
        for kind in ties:
            element = _add(notations, "tied", type=kind)
            if symbol.written:
                element.set("color", colour)
        if symbol.fermata:
            below = stem == "down"
            _add(notations, "fermata", type="inverted" if below else "upright")


def _add(parent: ET.Element, tag: str, text: str = "", **attributes: str) -> ET.Element:
    element = ET.SubElement(parent, tag, attributes)
    if text:
        element.text = text
    return element
