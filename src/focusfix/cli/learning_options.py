"""Options of ``focusfix train`` that say which network learns, and how."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

import typer


class TrainingPrecision(StrEnum):
    """Number format of the network's arithmetic in training."""

    AUTO = "auto"
    FP32 = "fp32"
    BF16 = "bf16"


class Loss(StrEnum):
    """What is minimised."""

    L1 = "l1"
    MSE = "mse"
    TEMPERED_ERROR = "tempered-error"
    PERCEPTUAL = "perceptual"


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class LearningOptions:
    """Which network learns, and how."""

    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            metavar="NAME",
            help="Architecture. Default: that of --start-from, or wiener-unet.",
        ),
    ] = None
    start_from: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|PATH|nothing",
            help="Weights to fine-tune; nothing: random ones. Default: for wiener-unet "
            "fluorescence or brightfield, whichever the data are; otherwise nothing.",
        ),
    ] = None
    model_setting: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE", help="Hyperparameter of the network, such as levels=2; repeat."
        ),
    ] = None
    loss: Annotated[Loss | None, typer.Option(help="Loss. Default: that of the model.")] = None
    steps: Annotated[
        int | None, typer.Option(min=1, help="Steps of the optimiser. Default: 10000.")
    ] = None
    epochs: Annotated[
        float | None,
        typer.Option(help="Passes over the training images, instead of --steps."),
    ] = None
    batch_size: Annotated[
        int | None,
        typer.Option(min=1, help="Samples that go through the network at once. Default: 8."),
    ] = None
    accumulate: Annotated[
        int | None,
        typer.Option(min=1, help="Batches whose gradients make one step. Default: 1."),
    ] = None
    crop_size: Annotated[
        int | None, typer.Option(min=16, help="Side of the crops in pixels. Default: 128.")
    ] = None
    learning_rate: Annotated[
        float | None,
        typer.Option(
            help="Learning rate of Adam. Default: 0.0003 from weights, 0.001 from nothing (comi: "
            "0.0002)."
        ),
    ] = None
    in_focus_share: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Share of crops that are in focus already. Default: 0.05."),
    ] = None
    validate_every: Annotated[
        int | None,
        typer.Option(
            min=1, help="Steps between validations. Default: a twentieth of all, at most 500."
        ),
    ] = None
    validation_crops: Annotated[
        int | None, typer.Option(min=1, help="Crops that a validation looks at. Default: 64.")
    ] = None
    patience: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Validations without a better one before training stops; 0: never. Default: 10.",
        ),
    ] = None
    seed: Annotated[
        int | None, typer.Option(min=0, help="Of split, first weights and crops. Default: 0.")
    ] = None
    precision: Annotated[
        TrainingPrecision,
        typer.Option(help="Number format; auto is bf16 where the device is faster with it."),
    ] = TrainingPrecision.AUTO
    licence: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="Licence of the weights, for the model card."),
    ] = None
