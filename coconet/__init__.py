"""Composing with Bach's chorales by neural infilling."""

import warnings

__version__ = "0.1.0"

# A notebook without ipywidgets gets tqdm's plain bar, which is enough.
warnings.filterwarnings("ignore", message="IProgress not found")
