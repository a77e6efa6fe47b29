"""Networks that are loaded once for a run, and made ready with their parameters."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from focusfix.cli.choices import Precision
from focusfix.cli.console import Console
from focusfix.cli.model_choice import AUTO, Choice
from focusfix.cli.options import ComputeOptions, parse_size
from focusfix.cli.starting import uncollected
from focusfix.errors import UsageError

if TYPE_CHECKING:
    from focusfix.footprint import Footprint
    from focusfix.models.base import Restorer
    from focusfix.operations.bindings import Execution
    from focusfix.runtime.executor import NetworkFunction


@dataclass(frozen=True)
class LoadedModel:
    """A network as it was read.

    Parameters
    ----------
    network : Restorer
        With its weights.
    sha256 : str
        Checksum of the weights file.
    """

    network: "Restorer"
    sha256: str


@dataclass(frozen=True)
class BoundModel:
    """A network with all its parameters, ready to run.

    Parameters
    ----------
    function : NetworkFunction
        The tile function.
    footprint : Footprint
        Reach and stride of what it does.
    network : Restorer
        The network or binding itself.
    most_tile_px : int, optional
        Longest side of a tile that there is memory for; pixels. None on graphics cards, where
        tiles shrink when memory has run out.
    """

    function: "NetworkFunction"
    footprint: "Footprint"
    network: "Restorer"
    most_tile_px: int | None


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
    _bound: dict[Hashable, BoundModel] = field(default_factory=dict)
    _most_bytes: int = field(init=False)

    def __post_init__(self) -> None:
        """Read the amount of memory, so that one that cannot be read is refused before any work."""
        self._most_bytes = parse_size("--max-memory", self.options.max_memory)

    def load(self, choice: Choice) -> LoadedModel:
        """Load a network, or return it if it was loaded before.

        Raises
        ------
        ModelError
            If the weights are damaged or not those of the list of checksums.
        """
        if choice.path not in self._loaded:
            with uncollected():
                self._loaded[choice.path] = self._load(choice)
        return self._loaded[choice.path]

    def execution(self, choice: Choice) -> "Execution":
        """Say where and how a network runs.

        Models that move codes along a line are computed in float32 unless the user asks for less:
        extrapolation amplifies what rounding does to the codes.

        Raises
        ------
        DeviceError
            If the device is not there.
        """
        from focusfix.operations.bindings import Execution
        from focusfix.runtime.device import select_device

        device = select_device(self.options.device)
        precision = self.options.precision
        if precision is Precision.AUTO and choice.family == "latent-line":
            precision = Precision.FP32
        return Execution(device, precision.value, self.options.runtime.value)

    def bind(
        self,
        choice: Choice,
        make: "Callable[[Any], Restorer] | None" = None,
        *,
        images: int = 1,
        key: Hashable = None,
    ) -> BoundModel:
        """Make a network ready to run, or return it if it was before.

        Parameters
        ----------
        choice : Choice
            The weights.
        make : callable, optional
            Binds the network's parameters; the network itself is used when not given.
        images : int
            Images that the result takes at once.
        key : hashable
            What the parameters are, to know them again.

        Returns
        -------
        BoundModel
            In evaluation mode, on the device.

        Raises
        ------
        DeviceError
            If the device or runtime is not there.
        """
        from focusfix.operations.bindings import build_function

        known = (choice.path, images, key)
        if known not in self._bound:
            network = self.load(choice).network
            binding = network if make is None else make(network)
            function = build_function(binding, self.execution(choice), images=images)
            most_px = self.most_tile_px(binding, function, images)
            if not self._bound:
                self._tell(function)
            self._bound[known] = BoundModel(function, binding.footprint, binding, most_px)
        return self._bound[known]

    def most_tile_px(
        self, binding: "Restorer", function: "NetworkFunction", images: int = 1
    ) -> int | None:
        """Find the largest tile that ``--max-memory`` leaves room for; None on graphics cards.

        Parameters
        ----------
        binding : Restorer
            With all its parameters.
        function : NetworkFunction
            What it became.
        images : int
            Images that it takes at once.

        Returns
        -------
        int or None
            Side of the tile; pixels.
        """
        from focusfix.operations.bindings import make_room

        if function.device.kind != "cpu":
            return None
        return make_room(binding.eval(), function, self._most_bytes, images)

    def _load(self, choice: Choice) -> LoadedModel:
        import torch

        from focusfix.io.checkpoint import load_checkpoint
        from focusfix.io.checksums import check_checksum

        sha256 = check_checksum(choice.path)
        torch.manual_seed(self.seed)
        network, _ = load_checkpoint(choice.path)
        return LoadedModel(network, sha256)

    def _tell(self, function: "NetworkFunction") -> None:
        device = function.device
        where = f"computing on {device.name} in {function.precision} with {function.runtime}"
        reasons = " ".join(text for text in (device.note, function.note) if text)
        told = f"{where}: {reasons}" if reasons else where
        if self.options.device == AUTO:
            self.console.note(told)
        else:
            self.console.detail(told)
