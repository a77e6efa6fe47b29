"""What `torch.compile` makes of a training step: time to compile, and time of a step.

In the number format that `focusfix train` chooses for the device, or another (``--precision``).
Processor time on the CPU, time by the clock on a graphics card. Both steps take turns; nothing is
taken from a cache of compiled code. Needs a C++ compiler and several minutes, so it is no part of
`make bench`.
"""

import argparse
import os
import shutil
import statistics
import tempfile
from collections.abc import Callable, Sequence

import torch
from results import add_options, publish, table
from timing import Timing, compare, take_turns, time_once

from focusfix.models.registry import build_network
from focusfix.runtime.device import Device, select_device
from focusfix.training.lesson import Arithmetic
from focusfix.training.plan import training_precision

NETWORKS = {
    "care-unet": ("care-unet", {}),
    "multilevel-unet, one level": ("multilevel-unet", {"levels": 1}),
}
BATCH, CROP_PX = 4, 128


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    add_options(parser, repeats=8)
    parser.add_argument("--device", default="cpu", help="as for focusfix train")
    parser.add_argument("--precision", choices=("bf16", "fp32"), help="instead of train's choice")
    options = parser.parse_args()
    device = select_device(options.device)
    arithmetic = Arithmetic(device.kind, options.precision or training_precision(device))
    if shutil.which(os.environ.get("CXX", "g++")) is None:
        print("Compiled training step: left out, since there is no C++ compiler")
        return
    rows, figures = time_networks(options, device, arithmetic)
    head = (
        "network", "to compile, s", "eager step, s", "compiled step, s", "gain", "pays after steps",
    )  # fmt: skip
    facts = (
        f"Forward pass, loss, backward pass and Adam on {BATCH} crops of {CROP_PX} x {CROP_PX} "
        f"pixels in {arithmetic.precision} on {device.kind}, {torch.get_num_threads()} threads; "
        f"{'processor seconds' if device.kind == 'cpu' else 'seconds'}."
    )
    command = f"python benchmarks/bench_compile.py --repeats {options.repeats}"
    if options.precision is not None:
        command += f" --precision {options.precision}"
    lines = [facts, "", *table(head, rows)]
    publish(options.results, "Compiled training step", command, lines, figures)


def time_networks(
    options: argparse.Namespace, device: Device, arithmetic: Arithmetic
) -> tuple[list[tuple[str, ...]], dict[str, float]]:
    """Compile every network, and let its two steps take turns."""
    rows, figures = [], {}
    with tempfile.TemporaryDirectory() as cache:
        os.environ |= {"TORCHINDUCTOR_CACHE_DIR": cache, "TORCHINDUCTOR_COMPILE_THREADS": "1"}
        for name, (model, settings) in NETWORKS.items():
            eager = make_step(model, settings, device, arithmetic)
            compiled = make_step(model, settings, device, arithmetic, compiled=True)
            compile_s = seconds_of(Timing(*((each,) for each in time_once(compiled))), device)[0]
            timed = take_turns(
                {"eager": eager, "compiled": compiled},
                warm_up=options.warm_up,
                repeats=options.repeats,
            )
            taken = [seconds_of(timed[way], device) for way in ("eager", "compiled")]
            medians = [statistics.median(each) for each in taken]
            gain, saved = compare(*taken), medians[0] - medians[1]
            pays_after = f"{compile_s / saved:.0f}" if saved > 0 else "never"
            steps = [f"{each:.2f}" for each in medians]
            rows.append((f"`{name}`", f"{compile_s:.0f}", *steps, str(gain), pays_after))
            figures |= {f"{name}: gain": gain.median, f"{name}: to compile, s": compile_s}
    return rows, figures


def seconds_of(timing: Timing, device: Device) -> Sequence[float]:
    """Choose the clock that says most on a device."""
    return timing.cpu_seconds if device.kind == "cpu" else timing.seconds


def make_step(
    model: str,
    settings: dict[str, object],
    device: Device,
    arithmetic: Arithmetic,
    *,
    compiled: bool = False,
) -> Callable[[], float]:
    """Prepare a training step on random images."""
    torch.manual_seed(0)
    network = build_network(model, settings).train()
    network.to(device=device.name, memory_format=torch.channels_last)
    images = torch.rand(2, BATCH, 1, CROP_PX, CROP_PX).to(device.name)
    image, truth = (each.contiguous(memory_format=torch.channels_last) for each in images)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-4)
    forward = torch.compile(network) if compiled else network

    def step() -> float:
        optimizer.zero_grad(set_to_none=True)
        with arithmetic.autocast():
            restored = forward(image)
        loss = (restored.float() - truth).abs().mean()
        loss.backward()
        optimizer.step()
        return float(loss.detach())

    return step


if __name__ == "__main__":
    main()
