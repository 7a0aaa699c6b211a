"""Paths as Csound's text holds them, in its orchestra and in its score."""

from __future__ import annotations

from pathlib import Path

from coconet.errors import ChoraleError, shown

#: What a path can't hold: Csound knows no way to write these within quotes.
FORBIDDEN = '"\\$\n\r'
#: Nor, in a score: its reader takes braces for loops, even within quotes, and crashes.
BRACES = "{}"


def quoted(path: Path | str, *, score: bool = False) -> str:
    """A path in quotes, as Csound's text holds it; ChoraleError where it can't.

    score : whether it stands in a score, where braces are forbidden as well

    >>> quoted("samples/C4 [soft].wav", score=True)
    '"samples/C4 [soft].wav"'
    """
    text = str(path)
    if any(letter in text for letter in FORBIDDEN + (BRACES if score else "")):
        braces = "braces, " if score else ""
        raise ChoraleError(
            f"{shown(text)}: Csound can't read a path with {braces}quotes, backslashes, dollar "
            "signs or line breaks; move or rename the file"
        )
    return f'"{text}"'
