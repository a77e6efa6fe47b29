"""Settings of a training run: frozen when it starts, stored beside it, compared on resuming."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from focusfix.config import FrozenModel, Modality
from focusfix.data.sampling import SplitBy, SplitOrder
from focusfix.data.simulate import SimulationSettings
from focusfix.errors import UsageError
from focusfix.training.fit import FitSettings
from focusfix.training.lesson import LossName, Precision

Schedule = Literal["smooth", "constant", "stepped", "half-linear"]
"""How the learning rate runs, and what is kept."""

OPTION_OF_SETTING = {
    "hyperparameters": "model-setting",
    "channels": "channel",
    "lesson": "lesson-setting",
}
"""Options that are not called like the setting they make."""

NOTHING = "nothing"
"""Name of random first weights where weights to start from are asked for."""

_LONGEST_WARMUP = 100
_EPOCHS_OF_A_STEP = 5
_MOST_STEPS_UNSEEN = 500
_VALIDATIONS = 20


class DataPlace(FrozenModel):
    """Where the data are, and how their files are read.

    Parameters
    ----------
    path : str
        Folder, manifest or z-stack.
    in_focus : str, optional
        Folder with the in-focus images of pairs; ``path`` holds the others.
    pattern : str, optional
        Glob that file names must match.
    axes : str, optional
        Axes to read the files with instead of those that they state.
    z_spacing_um : float, optional
        Distance of neighbouring z-levels instead of what the files state; micrometres.
    """

    path: str
    in_focus: str | None = None
    pattern: str | None = None
    axes: str | None = None
    z_spacing_um: float | None = Field(default=None, gt=0)


class StartWeights(FrozenModel):
    """Weights that a run starts from.

    Parameters
    ----------
    weights : str
        Name or path, as the user gave it.
    sha256 : str
        Checksum of the file; 64 hexadecimal digits.
    modality : {"fluorescence", "brightfield", "any"}
        Kind of image they were trained on.
    trained_on, licence : str
        What their header says.
    """

    weights: str
    sha256: str
    modality: Modality
    trained_on: str
    licence: str


class RunSettings(FrozenModel):
    """Everything that decides which weights a run ends with, apart from the images.

    Parameters
    ----------
    data : DataPlace
        Where the images are; a run may be resumed when they have been moved.
    model : str
        Registry name of the network.
    hyperparameters : dict of str to JSON value
        Arguments of the network, complete.
    start_from : StartWeights, optional
        First weights; None for random ones.
    loss : {"l1", "mse", "tempered-error"}
        What is minimised.
    lesson : dict of str to JSON value
        Settings of the lesson that teaches the network, complete.
    steps, learning_rate
        Length and pace of the learning; the rate is that of Adam after the warm-up.
    batch_size : int
        Samples that go through the network of one process at once.
    accumulate : int
        Batches whose gradients make one step.
    processes : int
        Processes that learn together, each from batches of its own.
    schedule : {"smooth", "constant", "stepped", "half-linear"}
        "smooth" warms the learning rate up and lets it fall, shortens long gradients and keeps
        averaged weights; "constant" does nothing of this; "stepped" neither, but the rate falls by
        2 % every five epochs; "half-linear" neither, but over the second half of the steps the rate
        falls to nothing along a line.
    betas : tuple of two float
        Decays of Adam's two moments.
    steps_per_epoch : float
        Steps in which all training images are seen about once.
    crop_size : int
        Side of the square crops; pixels.
    precision : {"fp32", "bf16"}
        Number format of the network's arithmetic.
    seed : int
        Of the split, the first weights and the crops.
    validation_share, test_share : float
        Shares of the fields that are kept from training.
    split_by : {"auto", "field", "well"}
        What is never divided between splits.
    split : {"shuffle", "plate-order"}
        How fields are dealt out.
    in_focus_share : float
        Share of crops whose input is in focus already.
    focal_level : str
        "auto", "sharpest" or the z-level in focus.
    channels : tuple of str
        Channels that are learned; empty for all.
    validate_every : int
        Steps between validations, each of which saves a checkpoint.
    patience : int
        Validations without a better one after which training stops; 0 for never.
    validation_crops : int
        Crops that a validation looks at.
    modality : {"auto", "fluorescence", "brightfield", "any"}
        What the model card will say; "auto" for what the images look like.
    licence : str
        Of the weights; what the model card will say.
    simulation : SimulationSettings, optional
        Microscopes that blur sharp images; None where the data are focal series.
    """

    data: DataPlace
    model: str
    hyperparameters: dict[str, Any]
    start_from: StartWeights | None = None
    loss: LossName
    lesson: dict[str, Any] = Field(default_factory=dict)
    steps: int = Field(ge=1)
    batch_size: int = Field(default=8, ge=1)
    accumulate: int = Field(default=1, ge=1)
    processes: int = Field(default=1, ge=1)
    schedule: Schedule = "smooth"
    betas: tuple[float, float] = (0.9, 0.999)
    steps_per_epoch: float = Field(default=1.0, gt=0)
    learning_rate: float = Field(default=1e-3, gt=0)
    crop_size: int = Field(default=128, ge=16)
    precision: Precision = "fp32"
    seed: int = Field(default=0, ge=0)
    validation_share: float = Field(default=0.1, ge=0, lt=1)
    test_share: float = Field(default=0.1, ge=0, lt=1)
    split_by: SplitBy = "auto"
    split: SplitOrder = "shuffle"
    in_focus_share: float = Field(default=0.05, ge=0, le=1)
    focal_level: str = "auto"
    channels: tuple[str, ...] = ()
    validate_every: int = Field(ge=1)
    patience: int = Field(default=10, ge=0)
    validation_crops: int = Field(default=64, ge=1)
    modality: Modality | Literal["auto"] = "auto"
    licence: str = "not stated"
    simulation: SimulationSettings | None = None

    @property
    def start_name(self) -> str:
        """Name or path of the weights the run starts from, or "nothing"."""
        return self.start_from.weights if self.start_from else NOTHING

    @property
    def samples_per_step(self) -> int:
        """Samples that one step learns from, in all processes."""
        return self.samples_at_once * self.accumulate

    @property
    def samples_at_once(self) -> int:
        """Samples that go through the network at once, in all processes."""
        return self.batch_size * self.processes

    @property
    def fit(self) -> FitSettings:
        """Schedule of the optimiser."""
        if self.schedule != "smooth":
            fall_steps = max(1, round(_EPOCHS_OF_A_STEP * self.steps_per_epoch))
            return FitSettings(
                fall_steps=fall_steps if self.schedule == "stepped" else None,
                linear_share=0.5 if self.schedule == "half-linear" else 0.0,
                steps=self.steps,
                learning_rate=self.learning_rate,
                betas=self.betas,
                warmup_steps=0,
                decay_share=0.0,
                average_decay=0.0,
                clip_norm=None,
            )
        return FitSettings(
            steps=self.steps,
            learning_rate=self.learning_rate,
            betas=self.betas,
            warmup_steps=min(_LONGEST_WARMUP, self.steps // 10),
        )


def default_validate_every(steps: int) -> int:
    """Choose how many steps lie between validations: a twentieth of all, at most 500."""
    return max(1, min(_MOST_STEPS_UNSEEN, steps // _VALIDATIONS))


def check_unchanged(stored: RunSettings, wanted: Mapping[str, Any]) -> None:
    """Refuse to resume a run with other settings than it was started with.

    Parameters
    ----------
    stored : RunSettings
        Of the run.
    wanted : mapping of str to value
        What the user gave now; what is left out stays as stored. Of ``hyperparameters`` and
        ``lesson`` only those that are named are compared, and ``start_from`` is a name, a path
        or "nothing".

    Raises
    ------
    UsageError
        If a setting differs; it is named.
    """
    before = {**stored.model_dump(mode="json"), "start_from": stored.start_name}
    for key, value in wanted.items():
        known: Any = before[key]
        if key in ("hyperparameters", "lesson"):
            known = {name: known.get(name) for name in value}
        elif isinstance(value, tuple):
            known = tuple(known)
        if known != value:
            option = OPTION_OF_SETTING.get(key, key.replace("_", "-"))
            raise UsageError(
                f"The run was started with {option} {known!r}, not {value!r}; resumed with "
                "another value it would not be the same run.",
                f"Leave --{option} out to go on as before, or start a new run with another -o.",
            )
