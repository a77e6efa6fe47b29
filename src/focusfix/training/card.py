"""What a checkpoint says of the run that it comes from."""

from pathlib import Path

from focusfix.config import CheckpointHeader
from focusfix.data.focus_series import SPLITS
from focusfix.io.checkpoint import library_versions
from focusfix.models.registry import get_entry
from focusfix.training.data_sources import TrainingData
from focusfix.training.log import ValidationScore
from focusfix.training.settings import RunSettings, StartWeights


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
        abilities=tuple(sorted(get_entry(settings.model).abilities)),
        modality=data.modality,
        **{**card, **_history(card["trained_on"], settings.start_from)},
        licence=settings.licence,
        held_out=held_out_fields(data),
        seed=settings.seed,
        steps=step,
        versions=library_versions(),
        scores=scores,
    )


def _history(data: str, start: StartWeights | None) -> dict[str, str]:
    """Say what the weights have learned from, in full and in one line."""
    if start is None:
        return {"trained_on": data, "summary": f"Trained with focusfix train on {data}"}
    name = Path(start.weights).name
    return {
        "trained_on": f"{data}; started from {name} (SHA-256 {start.sha256}, licence: "
        f"{start.licence}), which were trained on {start.trained_on}",
        "summary": f"{name} fine-tuned with focusfix train on {data}",
    }


def held_out_fields(data: TrainingData) -> dict[str, tuple[str, ...]]:
    """Name the fields that are kept from training, by split; splits without any are left out."""
    rows = data.split_table
    held_out = {
        split: tuple(sorted({row["field"] for row in rows if row["split"] == split}))
        for split in SPLITS[1:]
    }
    return {split: fields for split, fields in held_out.items() if fields}
