"""Where the project's own folders lie.

The root is the folder that holds the package, as in a clone that is installed
editable. Elsewhere the environment variable COCONET_HOME names it. What can be
made again at any time, such as a measurement of a SoundFont, lies in a cache
outside the project.
"""

from __future__ import annotations

import os
from pathlib import Path


def root() -> Path:
    """The project's folder: $COCONET_HOME where set, else the one around the package."""
    home = os.environ.get("COCONET_HOME")
    return Path(home).expanduser() if home else Path(__file__).resolve().parents[1]


def data() -> Path:
    """Folder of the corpus and its splits."""
    return root() / "data"


def models() -> Path:
    """Folder of the pretrained checkpoints."""
    return root() / "models"


def tunings() -> Path:
    """Folder of the Scala files."""
    return root() / "tunings"


def chains() -> Path:
    """Folder of the shipped chains of layers."""
    return root() / "chains"


def cache() -> Path:
    """Folder of what can be made again: $XDG_CACHE_HOME/coconet or ~/.cache/coconet."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "coconet"
