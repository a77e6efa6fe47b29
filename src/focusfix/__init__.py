"""Take microscopy images out of blur."""

__version__ = "0.1.0"

CHECKPOINT_FORMAT = 1
"""Version of the header of checkpoints that this focusfix writes and reads."""
