"""Layers: everything that can be done to a chorale without a model.

Each layer takes a piece and gives back a piece of the same kind: an array
(voices, steps), a `Chorale`, whose onsets, fermatas and phrases come along, or a
`Traced`, which still knows where its cells come from. Nothing given is changed, and
chance comes from `rng` alone. Options are given by name. `LAYERS` holds all layers by
their names, as a chain (`coconet.chain`) calls them.

>>> import numpy as np
>>> from coconet import transforms
>>> grid = np.array([[60, 62, 64], [48, 48, 0]])
>>> transforms.stretch(grid, spans=[[1, 2]], factor=3)
array([[60, 62, 62, 62, 64],
       [48, 48, 48, 48,  0]], dtype=int16)
"""

from coconet.transforms.cuts import compress, crop, repeat
from coconet.transforms.figures import arpeggiate, dropout
from coconet.transforms.layer import LAYERS, options_of
from coconet.transforms.masks import (
    changing_masks,
    fixed_mask,
    mask_of,
    random_mask,
    shaded_mask,
    validate_mask,
)
from coconet.transforms.motion import augment, canon, diminish, retrograde
from coconet.transforms.ornaments import ornament
from coconet.transforms.pitch import bass_drop, invert, octave_shift, strip_dissonant, transpose
from coconet.transforms.spans import (
    challenging_spans,
    in_tune_spans,
    score_steps,
    stretch,
    stretch_copies,
    stretch_table,
)
from coconet.transforms.voices import (
    choose_voices,
    double_voices,
    join_quartets,
    offset_rows,
    rotate_voices,
)

__all__ = [
    "LAYERS",
    "arpeggiate",
    "augment",
    "bass_drop",
    "canon",
    "challenging_spans",
    "changing_masks",
    "choose_voices",
    "compress",
    "crop",
    "diminish",
    "double_voices",
    "dropout",
    "fixed_mask",
    "in_tune_spans",
    "invert",
    "join_quartets",
    "mask_of",
    "octave_shift",
    "offset_rows",
    "options_of",
    "ornament",
    "random_mask",
    "repeat",
    "retrograde",
    "rotate_voices",
    "score_steps",
    "shaded_mask",
    "stretch",
    "stretch_copies",
    "stretch_table",
    "strip_dissonant",
    "transpose",
    "validate_mask",
]
