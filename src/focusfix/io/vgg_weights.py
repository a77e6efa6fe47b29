"""Weights of VGG-16 for a perceptual loss: files of the user, never pickles.

They do not come with focusfix. torchvision keeps them as a pickle, which focusfix does not open;
the error says how to convert it.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from focusfix.errors import ModelError
from focusfix.io.safetensors_layout import FETCH_AGAIN, read_layout

if TYPE_CHECKING:
    from torch import Tensor

_FIRST_LAYERS = ("features.0.weight", "block1_conv1_w")
_PICKLE_SUFFIXES = {".pth", ".pt", ".pkl", ".bin"}
_CACHE_PATTERN = "vgg16*.safetensors"


def find_vgg_weights() -> Path | None:
    """Look for weights of VGG-16 where torchvision keeps its own.

    Returns
    -------
    Path or None
        The first ``vgg16*.safetensors`` in ``hub/checkpoints`` of the folder ``TORCH_HOME``, or
        else of torch's cache folder; None if there is none.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    home = Path(os.environ.get("TORCH_HOME") or cache / "torch")
    return min((home / "hub" / "checkpoints").glob(_CACHE_PATTERN), default=None)


def check_vgg_weights(path: Path) -> None:
    """Refuse what are not weights of VGG-16, from the head of the file alone.

    Parameters
    ----------
    path : Path
        A ``.safetensors`` file.

    Raises
    ------
    ModelError
        If the file is missing, damaged, a pickle, or holds something else.
    """
    if path.suffix.lower() in _PICKLE_SUFFIXES:
        raise ModelError(
            f"{path}: this is a pickle, and focusfix never opens pickles: they can run code.",
            'If you trust it, convert it once: python -c "import torch, safetensors.torch as s; '
            f"s.save_file(torch.load('{path.name}', weights_only=True), "
            f"'{path.stem}.safetensors')\"",
        )
    layout = read_layout(path)
    if not any(name in layout for name in _FIRST_LAYERS):
        raise ModelError(
            f"{path}: these are not weights of VGG-16 (no {' or '.join(_FIRST_LAYERS)}).",
            "Give the state of torchvision's vgg16, saved as safetensors.",
        )


def read_vgg_weights(path: Path) -> "dict[str, Tensor]":
    """Read weights of VGG-16, in the names of torchvision or of Keras.

    Parameters
    ----------
    path : Path
        A ``.safetensors`` file.

    Returns
    -------
    dict of str to Tensor
        The convolutions of the first three blocks and whatever else is there, as stored;
        for :class:`~focusfix.losses.perceptual.VggDistance`.

    Raises
    ------
    ModelError
        In the cases of :func:`check_vgg_weights`.
    """
    check_vgg_weights(path)
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors: dict[str, Tensor] = load_file(path)
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{path}: the weights are damaged: {error}.", FETCH_AGAIN) from error
    return tensors
