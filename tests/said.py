"""What a command says on stderr, for tests to read."""

from __future__ import annotations

import re


def complaints(text: str) -> list[str]:
    """The lines of it without notes, and without progress bars, which slow machines show."""
    lines = (line.strip() for line in re.split(r"[\r\n]+", text))
    return [line for line in lines if line and not line.startswith("note: ") and "%|" not in line]
