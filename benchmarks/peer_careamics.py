"""The other side of `bench_network.py`: a network through CAREamics' tiled prediction.

`CAREamist.predict` cuts the image, an array in memory, into tiles with the overlap that is its
default, runs our network in place of its own U-Net, and stitches the results. Its model is replaced
through the public attribute `model`; since it wants a checkpoint for every prediction, one with our
weights is written first. Nothing of CAREamics is patched, and no normalisation is done.
"""

import logging
import sys
import tempfile
import warnings
from contextlib import redirect_stdout
from importlib.metadata import version
from pathlib import Path

import numpy as np
from peer_service import FloatArray, Task, read_task, serve

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from careamics import CAREamist
    from careamics.config import create_advanced_care_config

LIGHTNING_PRECISION = {"fp32": "32-true", "bf16": "bf16-mixed"}


def main() -> None:
    task, keep = read_task(__doc__)
    warnings.simplefilter("ignore")
    for name in ("lightning", "lightning.pytorch", "careamics"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as folder, redirect_stdout(sys.stderr):
        careamist, weights = prepare(task, Path(folder))
        with redirect_stdout(sys.__stdout__):
            serve(
                f"CAREamics {version('careamics')}",
                lambda: restore(careamist, weights, task),
                keep,
            )


def prepare(task: Task, folder: Path) -> tuple[CAREamist, Path]:
    """Put our network into CAREamics, and write the checkpoint that it wants to load."""
    config = create_advanced_care_config(
        experiment_name="peer",
        data_type="array",
        axes="YX",
        patch_size=(64, 64),
        batch_size=1,
        normalization="none",
        trainer_params={
            "accelerator": "gpu" if task.device.startswith("cuda") else task.device,
            "devices": 1,
            "precision": LIGHTNING_PRECISION[task.precision],
        },
    )
    careamist = CAREamist(config, work_dir=folder, enable_progress_bar=False)
    careamist.model.model = task.network
    careamist.trainer.strategy.connect(careamist.model)
    careamist.trainer.save_checkpoint(folder / "peer.ckpt", weights_only=True)
    return careamist, folder / "peer.ckpt"


def restore(careamist: CAREamist, weights: Path, task: Task) -> FloatArray:
    """Restore the whole image tile by tile."""
    with redirect_stdout(sys.stderr):
        (restored,), _ = careamist.predict(
            task.image, tile_size=(task.tile_px, task.tile_px), batch_size=1, checkpoint=weights
        )
    return np.asarray(restored, dtype=np.float32).reshape(task.image.shape)


if __name__ == "__main__":
    main()
