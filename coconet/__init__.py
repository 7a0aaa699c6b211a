"""Composing with Bach's chorales by neural infilling."""

__version__ = "0.1.0"
