"""The other side of `bench_network.py`: a network through MONAI's `sliding_window_inference`.

The image is in memory as a tensor, and so is the result. Overlap 0.25, Gaussian weights.
"""

from contextlib import nullcontext

import monai
import torch
from monai.inferers import sliding_window_inference
from peer_service import FloatArray, Task, read_task, serve

OVERLAP = 0.25


def main() -> None:
    task, keep = read_task(__doc__)
    serve(f"MONAI {monai.__version__}", lambda: restore(task), keep)


def restore(task: Task) -> FloatArray:
    """Restore the whole image window by window; wait for the device."""
    image = torch.from_numpy(task.image)[None, None].to(task.device)
    reduced = torch.autocast(image.device.type, dtype=torch.bfloat16)
    with torch.inference_mode(), reduced if task.precision == "bf16" else nullcontext():
        restored = sliding_window_inference(
            image,
            (task.tile_px, task.tile_px),
            1,
            task.network,
            overlap=OVERLAP,
            mode="gaussian",
            progress=False,
        )
    result: FloatArray = restored[0, 0].float().cpu().numpy()
    return result


if __name__ == "__main__":
    main()
