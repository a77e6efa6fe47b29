"""What a checkpoint says of the run that it comes from."""

from focusfix.config import CheckpointHeader
from focusfix.data.focus_series import SPLITS
from focusfix.io.checkpoint import library_versions
from focusfix.training.data_sources import TrainingData
from focusfix.training.settings import RunSettings
from focusfix.training.validation import ValidationScore


def make_header(
    data: TrainingData,
    settings: RunSettings,
    *,
    hyperparameters: dict[str, object],
    step: int,
    score: ValidationScore | None,
) -> CheckpointHeader:
    """Describe the weights that a run has after a step.

    Parameters
    ----------
    data : TrainingData
        What was learned; its held-out fields are named.
    settings : RunSettings
        Of the run.
    hyperparameters : dict
        Of the network, complete.
    step : int
        Steps taken.
    score : ValidationScore, optional
        Of these weights.

    Returns
    -------
    CheckpointHeader
    """
    card = data.card
    scores = {}
    if score is not None:
        scores["validation_psnr_db"] = round(score.psnr_db, 4)
        scores["validation_gain_db"] = round(score.gain_db, 4)
    return CheckpointHeader(
        model=settings.model,
        hyperparameters=hyperparameters,
        abilities=("deblur",),
        modality=data.modality,
        **card,
        licence=settings.licence,
        held_out=held_out_fields(data),
        seed=settings.seed,
        steps=step,
        versions=library_versions(),
        scores=scores,
        summary=f"Trained with focusfix train on {card['trained_on']}",
    )


def held_out_fields(data: TrainingData) -> dict[str, tuple[str, ...]]:
    """Name the fields that are kept from training, by split; splits without any are left out."""
    rows = data.split_table
    held_out = {
        split: tuple(sorted({row["field"] for row in rows if row["split"] == split}))
        for split in SPLITS[1:]
    }
    return {split: fields for split, fields in held_out.items() if fields}
