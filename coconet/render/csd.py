"""A performance as a complete Csound document (.csd): options, orchestra and score.

The program `csound` renders it to the same samples as `csound.play_csound`. It is text to
read and to change. SoundFonts and recordings aren't in it: it names their files by their
paths on this machine.
"""

from __future__ import annotations

from pathlib import Path

from coconet.errors import ChoraleError
from coconet.files import validate_writable, write_text
from coconet.render.csound import Band, orchestra_of, score_of
from coconet.render.csound_process import OPTIONS
from coconet.render.events import Performance

SUFFIX = ".csd"
#: What each column of the score holds; what follows p9 each instrument says itself.
COLUMNS = "; i name start held Hz velocity pan level(dB) glide(cents) glide(s) p10 ..."


def csd_of(performance: Performance, band: Band, *, tuning: str = "") -> str:
    """The document as text.

    Parameters
    ----------
    performance, band : as for `csound.play_csound`
    tuning : one line on the temperament, for the header

    Raises
    ------
    ChoraleError
        For a band of another number of voices, a performance without notes, a path that
        Csound can't read.
    """
    if not len(performance.notes):
        raise ChoraleError(f"{performance.title or 'performance'}: has no notes to write")
    voices, notes = performance.voices, len(performance.notes)
    lines = [
        _comment(performance.title or "A chorale"),
        f"; {voices} {'voice' if voices == 1 else 'voices'}, {notes} "
        f"{'note' if notes == 1 else 'notes'}, {performance.seconds:.2f} s; {band}",
    ]
    if tuning:
        lines.append(_comment(tuning))
    lines.append("; Render it with Csound 6:  csound -o sound.wav THIS-FILE.csd")
    if band.soundfont is not None or band.samples is not None:
        lines.append("; It reads files by their paths on the machine where it was written:")
        lines.append("; elsewhere, change the paths.")
    header = "\n".join(lines)
    options = " ".join((*OPTIONS, "-W", "-o sound.wav"))
    score = "\n".join((COLUMNS, *score_of(performance, band), "e"))
    return (
        f"<CsoundSynthesizer>\n<CsOptions>\n{options}\n</CsOptions>\n"
        f"<CsInstruments>\n{header}\n\n{orchestra_of(band)}</CsInstruments>\n"
        f"<CsScore>\n{score}\n</CsScore>\n</CsoundSynthesizer>\n"
    )


def save_csd(
    path: Path | str,
    performance: Performance,
    band: Band,
    *,
    tuning: str = "",
    force: bool = False,
) -> Path:
    """Write the document, whole or not at all, and return its path.

    Parameters
    ----------
    path : a name that ends in .csd
    performance, band, tuning : as for `csd_of`
    force : replace an existing file

    Raises
    ------
    ChoraleError
        For another suffix, a file that exists or can't be written, and what `csd_of`
        refuses; then nothing is written.
    """
    path = Path(path)
    if path.suffix.lower() != SUFFIX:
        raise ChoraleError(f"{path}: expected a name that ends in {SUFFIX}")
    path = validate_writable(path, force=force)
    write_text(path, csd_of(performance, band, tuning=tuning), force=force)
    return path


def _comment(text: str) -> str:
    """A comment of one line, which can't end itself or its section."""
    plain = "".join(letter if letter.isprintable() else " " for letter in text)
    return "; " + " ".join(plain.translate({ord("<"): "(", ord(">"): ")", ord("\\"): "/"}).split())
