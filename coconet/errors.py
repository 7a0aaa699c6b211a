"""The one exception that users of the package meet."""


class ChoraleError(ValueError):
    """Input or surroundings that the package can't work with.

    The message is one line for a person: what was expected, what came, where
    (voice, step, value; file and line) and the likely cause.
    """


#: Exit code of a command that Ctrl-C ended.
INTERRUPTED = 130
