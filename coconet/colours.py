"""One colour a voice, the same in scores and pictures.

From the palette of Okabe and Ito (2008), "Color Universal Design", which stays
distinct under the common forms of colour blindness and on white paper.
"""

from __future__ import annotations

#: Soprano, alto, tenor, bass: vermilion, blue, bluish green, reddish purple.
VOICE_COLOURS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7")


def voice_colour(index: int) -> str:
    """The colour of a voice by its row, as '#rrggbb'; stacked quartets share it.

    >>> voice_colour(1) == voice_colour(5)
    True
    """
    return VOICE_COLOURS[index % len(VOICE_COLOURS)]
