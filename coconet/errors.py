"""The one exception that users of the package meet, and what its messages need."""

import difflib
from collections.abc import Iterable


class ChoraleError(ValueError):
    """Input or surroundings that the package can't work with.

    The message is one line for a person: what was expected, what came, where
    (voice, step, value; file and line) and the likely cause.
    """


def shown(value: object) -> str:
    """A value as a message shows it: on one line, and of a long one the beginning.

    >>> shown([1, 2]), len(shown("x" * 200))
    ('[1, 2]', 80)
    """
    text = " ".join(repr(value).split())
    return text if len(text) <= 80 else text[:79] + "…"


def nearest_name(name: str, known: Iterable[str]) -> str:
    """'; did you mean …?' where a known name is like this one, else ''.

    >>> nearest_name("strech", ["stretch", "canon"])
    '; did you mean stretch?'
    """
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean {close[0]}?" if close else ""


#: Exit code of a command that Ctrl-C ended.
INTERRUPTED = 130
