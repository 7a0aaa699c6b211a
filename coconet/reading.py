"""Reading a piece, whatever it comes in: MIDI, MusicXML, an array, a typed melody."""

from __future__ import annotations

import io
import re
import warnings
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from xml.etree import ElementTree
from xml.parsers import expat

import numpy as np

from coconet.chorale import DEFAULTS, Chorale, load_chorale
from coconet.errors import ChoraleError
from coconet.grid import REST, STEPS_PER_QUARTER, VOICES, voice_indices, voice_name
from coconet.midi import read_midi
from coconet.streams import Note, Signatures, choir_of, lay_out, lines_of, phrases_at, signatures_of
from coconet.theory import find_key, key_sharps, parse_pitch
from coconet.voicing import Part, RawPiece, Span, deal, place

MIDI_SUFFIXES = (".mid", ".midi")
XML_SUFFIXES = (".musicxml", ".xml", ".mxl")
SUFFIXES = (*MIDI_SUFFIXES, *XML_SUFFIXES, ".npy")
VOICE_NAME = re.compile(r"\b(?:soprano|alto|tenor|bass)\b(?: \d{1,2})? ?", re.IGNORECASE)
#: Over twenty minutes at 60 a minute: a longer score is a mistake, or an attack.
MAX_STEPS = 20_000
MAX_BYTES = 32_000_000
MAX_DEPTH = 64
#: What zipfile raises for a damaged archive.
UNZIP_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    RuntimeError,
    NotImplementedError,
    EOFError,
    OSError,
)


@dataclass(frozen=True)
class Reading:
    """A piece, and what had to be decided on the way.

    Attributes
    ----------
    chorale : four voices, or as many as an array of more holds; absent voices are all
        rests
    absent : rows that the source doesn't have
    notes : sentences for a person: how voices were assigned, what was moved to
        the grid, what was assumed
    """

    chorale: Chorale
    absent: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()


def read_piece(
    source: Path | str, *, as_: str | Iterable[str] | None = None, strict: bool = False
) -> Reading:
    """Read a piece of one to four voices; an array may hold more, of any length.

    Parameters
    ----------
    source : path to a .mid, .midi, .musicxml, .xml, .mxl or .npy file, or a
        typed melody such as "F4:4 G4:2 r:2"
    as_ : the voices that the source holds, such as "soprano" or "soprano,bass";
        by default they are placed by name or by range
    strict : refuse notes off the sixteenth grid instead of moving them

    Raises
    ------
    ChoraleError
        For what can't be read, has no notes, another number of voices than `as_`
        names; for all but arrays, more than four voices at once, or more than
        20,000 steps.
    """
    rows = None if as_ is None else voice_indices(as_)
    if isinstance(source, str) and Path(source).suffix.lower() not in SUFFIXES:
        if re.match(r"\s*(\||[A-Ga-grR][^\s/.]*(\s|$))", source):
            return _read_raw(parse_melody(source), "melody", "line", rows, strict)
        if not _exists(source):
            raise ChoraleError(
                f"{source!r}: no such file or folder; expected a file ({', '.join(SUFFIXES)})"
                ' or a melody such as "F4:4 G4:2 r:2"'
            )
    path = Path(source)
    suffix = path.suffix.lower()
    if suffix == ".npy":
        return _read_array(path, rows)
    if suffix in MIDI_SUFFIXES:
        piece = read_midi(_bytes(path), name=str(path))
        return _read_raw(piece, path, "track", rows, strict)
    if suffix in XML_SUFFIXES:
        piece = read_musicxml(_bytes(path), name=str(path))
        return _read_raw(piece, path, "part", rows, strict)
    got = ", got a folder" if path.is_dir() else ""
    raise ChoraleError(f"{path}: expected a file that ends in {', '.join(SUFFIXES)}{got}")


def parse_melody(text: str) -> RawPiece:
    """A typed melody: notes and rests as name:length, the length in sixteenths.

    A length left out is that of the note before (at first 4, a quarter). Bar
    lines `|` may stand between notes; they change nothing.

    >>> len(parse_melody("F4:4 G4:2 r A4:8").parts[0].notes)
    3
    """
    notes, now, length = [], 0, STEPS_PER_QUARTER
    tokens = [token for token in text.split() if token != "|"]
    for number, token in enumerate(tokens, 1):
        where = f"melody, item {number} ({token!r})"
        name, colon, digits = token.partition(":")
        if colon:
            if not re.fullmatch(r"[0-9]{1,5}", digits) or int(digits) == 0:
                raise ChoraleError(
                    f"{where}: expected a length of 1 or more sixteenths after the colon"
                )
            length = int(digits)
        if now + length > MAX_STEPS:
            raise ChoraleError(f"{where}: the melody grows longer than {MAX_STEPS} sixteenths")
        if name.lower() not in ("r", "rest"):
            try:
                pitch = parse_pitch(name)
            except ChoraleError as error:
                raise ChoraleError(f"{where}: {error}") from error
            edges = (Fraction(step, STEPS_PER_QUARTER) for step in (now, now + length))
            notes.append(Note(*edges, pitch))
        now += length
    if not notes:
        raise ChoraleError("melody: there are no notes in it")
    return RawPiece([Part("", notes)], Signatures(None, None, None, 0), steps=now)


def read_musicxml(data: bytes, *, name: str = "MusicXML") -> RawPiece:
    """The notes and facts of a MusicXML file, plain or compressed (.mxl).

    Among more than four parts those of the choir are taken, by their names.

    Raises
    ------
    ChoraleError
        For data that is empty, not MusicXML, declares entities, or is nested
        or compressed beyond reason.
    """
    if not data:
        raise ChoraleError(f"{name}: the file is empty")
    if data[:4] == b"PK\x03\x04":
        data = _unzip(data, name)
    _check_xml(data, name)
    score = _music21_score(data, name)
    named = [_voices_named(stream) for stream in score.parts]
    try:
        choir = list(score.parts) if all(named) else choir_of(score)
    except ChoraleError as error:
        raise ChoraleError(f"{name}: {error}") from error
    parts = []
    for stream in choir:
        lines = [line for line in lines_of([stream]) if line]
        labels = _voices_named(stream)
        if len(labels) != len(lines):
            labels = [str(stream.partName or "") if len(lines) == 1 else ""] * len(lines)
        parts.extend(Part(label, line) for label, line in zip(labels, lines, strict=True))
    metadata = score.metadata
    title = (metadata.title or metadata.movementName or "") if metadata else ""
    number = (metadata.number or "") if metadata else ""
    bwv = str(number).removeprefix("BWV").strip() if str(number).startswith("BWV") else ""
    return RawPiece(parts, signatures_of(score), title=str(title), bwv=bwv)


def _voices_named(stream) -> list[str]:
    """The voices that a staff's name lists and nothing else, such as 'Soprano Alto'."""
    label = str(stream.partName or "")
    return (
        VOICE_NAME.findall(label) if re.fullmatch(f"({VOICE_NAME.pattern})+", label, re.I) else []
    )


def _read_raw(
    piece: RawPiece,
    source: Path | str,
    kind: str,
    rows: Sequence[int] | None,
    strict: bool,
) -> Reading:
    name = str(source)
    voicing = deal(piece.parts, rows=rows, strict=strict, name=name, kind=kind)
    _check_length(voicing.lines.values(), piece.steps, name)
    lines = [_notes(voicing.lines.get(row, [])) for row in range(voicing.voices)]
    grid, onsets, fermatas, _ = lay_out(lines, name=name)
    # A line that is known to go on in silence keeps its closing rests.
    grid, onsets, fermatas = (
        np.pad(array, [(0, 0)] * (array.ndim - 1) + [(0, max(0, piece.steps - grid.shape[1]))])
        for array in (grid, onsets, fermatas)
    )
    fermatas[[step for step in piece.fermatas if 0 <= step < len(fermatas)]] = True
    said = piece.signatures
    tonic, mode = piece.key or find_key(_sounding(grid), sharps=said.sharps)
    facts = {
        "time_signature": said.time_signature,
        "sharps": said.sharps,
        "tempo": said.tempo,
    }
    assumed = tuple(key for key, value in facts.items() if value is None)
    filled = {key: DEFAULTS[key] if value is None else value for key, value in facts.items()}
    if said.sharps is None:
        filled["sharps"] = key_sharps(tonic, mode)
    chorale = Chorale(
        grid,
        onsets=onsets,
        fermatas=fermatas,
        tonic=tonic,
        mode=mode,
        upbeat=said.upbeat,
        phrases=phrases_at(fermatas, grid),
        title=piece.title or (source.stem if isinstance(source, Path) else "Melody"),
        bwv=piece.bwv,
        provenance={"source": source.name if isinstance(source, Path) else "typed melody"},
        assumed=assumed,
        **filled,
    )
    absent = tuple(row for row in range(voicing.voices) if row not in voicing.lines)
    notes = (*voicing.remarks, *piece.remarks, *assumptions(chorale))
    return Reading(chorale, absent, notes)


def assumptions(chorale: Chorale) -> list[str]:
    """What to tell of the defaults that stand in for what a source doesn't say."""
    if not chorale.assumed:
        return []
    told = (
        f"{field.replace('_', ' ')} {getattr(chorale, field)}" if field in DEFAULTS else field
        for field in chorale.assumed
    )
    return [f"The source doesn't say: assumed {', '.join(told)}."]


def _read_array(path: Path, rows: Sequence[int] | None) -> Reading:
    """An array of one to three voices is placed among four; more stay as they are."""
    chorale = load_chorale(path)
    if not (chorale.grid != REST).any():
        raise ChoraleError(f"{path}: there are no notes in it")
    if {"tonic", "mode", "sharps"} <= {*chorale.assumed}:
        # A bare array: its key is found, as that of other sources is.
        tonic, mode = find_key(_sounding(chorale.grid))
        left = tuple(name for name in chorale.assumed if name not in ("tonic", "mode"))
        sharps = key_sharps(tonic, mode)
        chorale = chorale.replace(tonic=tonic, mode=mode, sharps=sharps, assumed=left)
    notes = assumptions(chorale)
    count = len(VOICES)
    if chorale.voices < count:
        placed = rows or place(_lines(chorale))
        if len(placed) != chorale.voices:
            raise ChoraleError(
                f"{path}: expected as many voices as were named, got {chorale.voices}"
            )
        grid = np.zeros((count, chorale.steps), chorale.grid.dtype)
        onsets = np.zeros(grid.shape, bool)
        grid[list(placed)], onsets[list(placed)] = chorale.grid, chorale.onsets
        chorale = chorale.replace(grid=grid, onsets=onsets)
        taken = " and ".join(voice_name(row) for row in placed)
        how = "as asked" if rows else "by range; name others with --as (as_=)"
        notes.insert(0, f"{len(placed)} of four voices, taken for {taken} {how}.")
    elif rows is not None and len(rows) != chorale.voices:
        raise ChoraleError(
            f"{path}: expected as many voices as were named ({len(rows)}), got {chorale.voices}"
        )
    absent = tuple(int(row) for row in np.flatnonzero((chorale.grid == REST).all(1)))
    return Reading(chorale, absent, tuple(notes))


def _lines(chorale: Chorale) -> list[list[Span]]:
    """An array's voices as lines of one-step notes; a silent one counts as a middle C."""
    return [
        [Span(step, step + 1, int(row[step])) for step in np.flatnonzero(row)] or [Span(0, 1, 60)]
        for row in chorale.grid
    ]


def _notes(line: Sequence[Span]) -> list[Note]:
    return [
        Note(
            Fraction(span.start, STEPS_PER_QUARTER),
            Fraction(span.end, STEPS_PER_QUARTER),
            span.pitch,
            fermata=span.fermata,
        )
        for span in line
    ]


def _sounding(grid: np.ndarray) -> np.ndarray:
    """The voices that sound; key finding takes the lowest for the bass."""
    return grid[(grid != REST).any(1)]


def _check_length(lines: Iterable[Sequence[Span]], steps: int, name: str) -> None:
    end = max(steps, *(span.end for line in lines for span in line))
    if end > MAX_STEPS:
        raise ChoraleError(
            f"{name}: {end} sixteenths long, expected at most {MAX_STEPS}"
            " (a wrong number of ticks a quarter, or a forgotten note far behind?)"
        )


def _bytes(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ChoraleError(f"{path}: larger than {MAX_BYTES // 1_000_000} MB: not a chorale")
        return path.read_bytes()
    except FileNotFoundError as error:
        raise ChoraleError(f"{path}: no such file") from error
    except OSError as error:
        raise ChoraleError(f"{path}: can't be read ({error.strerror})") from error


def _exists(source: str) -> bool:
    try:
        return Path(source).exists()
    except (OSError, ValueError):  # too long for a name, or a null character
        return False


def _unzip(data: bytes, name: str) -> bytes:
    """The score inside a compressed MusicXML file."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            scores = [
                entry
                for entry in entries
                if entry.filename.lower().endswith((".xml", ".musicxml"))
                and not entry.filename.startswith("META-INF/")
            ]
            if not scores:
                raise ChoraleError(f"{name}: there is no score in the compressed file")
            if scores[0].file_size > MAX_BYTES:
                raise ChoraleError(f"{name}: larger than {MAX_BYTES // 1_000_000} MB unpacked")
            return archive.read(scores[0])
    except UNZIP_ERRORS as error:
        raise ChoraleError(f"{name}: the compressed file is damaged ({error})") from error


def _check_xml(data: bytes, name: str) -> None:
    """Refuse XML that is malformed, isn't a score, or could blow up when it is read.

    Declared entities (the "billion laughs") and deep nesting are attacks;
    no score program writes either.
    """
    depth, roots = 0, []

    def refuse_entity(entity: str, *_: object) -> None:
        raise ChoraleError(f"{name}: declares the entity {entity!r}, which no score needs")

    def open_element(tag: str, _: object) -> None:
        nonlocal depth
        depth += 1
        if depth == 1:
            roots.append(tag)
        if depth > MAX_DEPTH:
            raise ChoraleError(f"{name}: elements nested deeper than {MAX_DEPTH}: not a score")

    def close_element(_: str) -> None:
        nonlocal depth
        depth -= 1

    parser = expat.ParserCreate()
    parser.EntityDeclHandler = refuse_entity
    parser.StartElementHandler = open_element
    parser.EndElementHandler = close_element
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise ChoraleError(f"{name}: not well-formed XML ({error})") from error
    except (ValueError, LookupError) as error:
        if isinstance(error, ChoraleError):
            raise
        raise ChoraleError(f"{name}: not readable as XML ({error})") from error
    if roots != ["score-partwise"]:
        raise ChoraleError(
            f"{name}: expected MusicXML with the root score-partwise, got {roots[0]}"
        )


def _music21_score(data: bytes, name: str):  # music21.stream.Score
    from music21.exceptions21 import Music21Exception
    from music21.musicxml.xmlToM21 import MusicXMLImporter

    importer = MusicXMLImporter()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return importer.xmlRootToScore(ElementTree.fromstring(data))
    except (
        Music21Exception,
        ElementTree.ParseError,
        # What the importer itself stumbles over in a score with missing or nonsensical parts.
        ArithmeticError,
        AttributeError,
        LookupError,
        TypeError,
        ValueError,
    ) as error:
        raise ChoraleError(f"{name}: not readable as a score ({error})") from error
