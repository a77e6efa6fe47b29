"""Which weights serve which channel of an image, and what the model card says against it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from focusfix.cli.console import Console
from focusfix.cli.options import ComputeOptions
from focusfix.cli.restoration import middle_window
from focusfix.errors import ModelError, UsageError

if TYPE_CHECKING:
    from focusfix.config import CheckpointHeader
    from focusfix.footprint import Footprint
    from focusfix.io.image import ImageReader
    from focusfix.runtime.executor import NetworkFunction

AUTO = "auto"


@dataclass(frozen=True)
class Choice:
    """Weights for some channels of one image.

    Parameters
    ----------
    path : Path
        The weights file.
    header : CheckpointHeader
        Its description.
    channels : tuple of int
        Channels that go through it.
    """

    path: Path
    header: "CheckpointHeader"
    channels: tuple[int, ...]


@dataclass(frozen=True)
class LoadedModel:
    """A network that is ready to run.

    Parameters
    ----------
    function : NetworkFunction
        The tile function.
    footprint : Footprint
        Reach and stride of the network.
    sha256 : str
        Checksum of the weights file.
    """

    function: "NetworkFunction"
    footprint: "Footprint"
    sha256: str


def find_model(name_or_path: str) -> "tuple[Path, CheckpointHeader]":
    """Find weights that can deblur, without torch.

    Parameters
    ----------
    name_or_path : str
        What the user gave.

    Returns
    -------
    path : Path
        The weights file.
    header : CheckpointHeader
        Its description.

    Raises
    ------
    ModelError
        If there are no such weights, the file is not a checkpoint, or it was not trained to
        deblur.
    """
    from focusfix.io.checkpoint import read_header
    from focusfix.io.weights import find_weights

    path = find_weights(name_or_path)
    header = read_header(path)
    if "deblur" not in header.abilities:
        raise ModelError(
            f"{path} was trained to {', '.join(header.abilities)}, not to deblur.",
            "Choose another with --model; focusfix models list shows what each one can do.",
        )
    return path, header


def choose_models(
    reader: "ImageReader", channels: tuple[int, ...], wanted: str, console: Console
) -> list[Choice]:
    """Decide which weights each channel goes through, and say so.

    Parameters
    ----------
    reader : ImageReader
        The image.
    channels : tuple of int
        Channels to restore.
    wanted : str
        ``--model``; "auto" decides channel by channel.
    console : Console
        Told what "auto" chose, and warned of what does not fit.

    Returns
    -------
    list of Choice
        Together they hold every channel once.
    """
    from focusfix.metrics.modality import guess_modality

    looks = {channel: str(guess_modality(middle_window(reader, channel))) for channel in channels}
    names: dict[str, list[int]] = {}
    for channel, look in looks.items():
        names.setdefault(look if wanted == AUTO else wanted, []).append(channel)
    choices = []
    for name, members in names.items():
        path, header = find_model(name)
        choices.append(Choice(path, header, tuple(members)))
        if wanted == AUTO:
            console.note(f"{reader.path}: {_describe(members, looks)}, using the model {name}")
    for choice in choices:
        for warning in _misfits(choice, looks, reader.metadata.pixel_size_um):
            console.warning(f"{reader.path}: {warning}")
    return choices


def check_halo(footprint: "Footprint", halo_px: int | None) -> None:
    """Refuse a halo that would make an exact network show seams.

    Raises
    ------
    UsageError
        If the halo is smaller than the network's reach.
    """
    if halo_px is not None and footprint.exact and halo_px < footprint.halo_px:
        raise UsageError(
            f"--halo {halo_px} is less than the network's reach: below {footprint.halo_px} px "
            "the tiles would differ from the whole image and show seams.",
            f"Leave --halo out, or give at least {footprint.halo_px}.",
        )


@dataclass
class ModelShelf:
    """Networks that were loaded for this run, each once.

    Parameters
    ----------
    options : ComputeOptions
        Where and how networks run.
    seed : int
        Start of torch's random numbers.
    console : Console
        Told where the networks run.
    """

    options: ComputeOptions
    seed: int
    console: Console
    _loaded: dict[Path, LoadedModel] = field(default_factory=dict)

    def load(self, choice: Choice) -> LoadedModel:
        """Load a network, or return it if it was loaded before.

        Raises
        ------
        ModelError
            If the weights are damaged or not those of the list of checksums.
        DeviceError
            If the device or runtime is not there.
        """
        if choice.path not in self._loaded:
            self._loaded[choice.path] = self._load(choice)
        return self._loaded[choice.path]

    def _load(self, choice: Choice) -> LoadedModel:
        import torch

        from focusfix.io.checkpoint import load_checkpoint
        from focusfix.io.checksums import check_checksum
        from focusfix.operations import deblur_function
        from focusfix.runtime.device import select_device

        sha256 = check_checksum(choice.path)
        device = select_device(self.options.device)
        torch.manual_seed(self.seed)
        network, header = load_checkpoint(choice.path)
        function = deblur_function(
            network,
            header,
            device=device,
            precision=self.options.precision.value,
            runtime=self.options.runtime.value,
            margin_px=network.footprint.halo_px if network.footprint.exact else 0,
        )
        if not self._loaded:
            self._tell(function)
        return LoadedModel(function, network.footprint, sha256)

    def _tell(self, function: "NetworkFunction") -> None:
        device = function.device
        where = f"computing on {device.name} in {function.precision} with {function.runtime}"
        reasons = " ".join(text for text in (device.note, function.note) if text)
        told = f"{where}: {reasons}" if reasons else where
        if self.options.device == AUTO:
            self.console.note(told)
        else:
            self.console.detail(told)


def _describe(channels: list[int], looks: dict[int, str]) -> str:
    look = looks[channels[0]]
    if len(looks) == 1:
        return f"looks like {look}"
    numbers = ", ".join(str(channel) for channel in channels)
    return f"channel {numbers} looks like {look}"


def _misfits(
    choice: Choice, looks: dict[int, str], pixel_size_um: tuple[float, float] | None
) -> list[str]:
    name, header = choice.path.stem, choice.header
    found = [
        f"channel {channel} looks like {looks[channel]}, "
        f"the model {name} was trained on {header.modality}"
        for channel in choice.channels
        if header.modality not in {"any", looks[channel]}
    ]
    if header.pixel_size_um and pixel_size_um:
        low, high = header.pixel_size_um
        size = max(pixel_size_um)
        if not low / 1.5 <= size <= high * 1.5:
            found.append(
                f"its pixel size {size:g} um is far from the {low:g} to {high:g} um "
                f"that the model {name} was trained on"
            )
    return found
