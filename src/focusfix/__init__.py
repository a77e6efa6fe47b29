"""Take microscopy images out of blur."""

__version__ = "0.1.0"
