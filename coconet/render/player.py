"""A player in the notebook."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from coconet.chorale import Chorale
from coconet.render import available_sound, render


def play(chorale: Chorale, **options: Any) -> Any:
    """Render a chorale and return a player for the notebook.

    options : those of `coconet.render.render`, such as `synth`, `tuning`, `tempo`

    Returns
    -------
    IPython.display.Audio, or a Markdown text that says what is missing where no
    synthesiser works, so that a notebook runs through without sound.
    """
    from IPython.display import Audio, Markdown

    ways = available_sound(options.get("soundfont"))
    if not any(way.works for way in ways):
        lacks = dict.fromkeys(reason for way in ways for reason in way.missing)
        return Markdown(f"*No sound: {'; '.join(lacks)}.*")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sound.mp3"
        render(chorale, path, **options)
        return Audio(data=path.read_bytes(), embed=True)
