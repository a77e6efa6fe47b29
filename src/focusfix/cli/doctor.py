"""``focusfix doctor``: versions, devices, a numerical self-check of each, checksums of weights."""

import platform
import sys
from dataclasses import dataclass
from typing import Any

import typer

from focusfix import __version__
from focusfix.cli.command import add_command
from focusfix.cli.console import Console
from focusfix.cli.console_options import ConsoleOptions, JsonOption
from focusfix.cli.tables import format_facts, format_table
from focusfix.errors import DeviceError, ModelError

_LIBRARIES = ("torch", "numpy", "tifffile", "imagecodecs", "safetensors", "typer", "openvino")
_TOLERANCE = 0.02
_EXAMPLES = (("before reporting a problem", "focusfix doctor"),)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class DoctorOptions(ConsoleOptions, JsonOption):
    """Options of ``focusfix doctor``."""


def run(options: DoctorOptions, console: Console) -> None:
    """Check the installation.

    Prints versions of libraries, whether each device computes what the CPU does, and whether the
    weights are intact. Exits with 4 if one of them is not as it should be.
    """
    devices = _check_devices()
    weights = _check_weights()
    versions = _versions()
    if options.json:
        console.record({"versions": versions, "devices": devices, "weights": weights})
    else:
        console.result(format_facts("versions", versions))
        titles = ("device", "difference_from_cpu", "ok", "note")
        rows = [[_word(each[title]) for title in titles] for each in devices]
        console.result("\n" + format_table(titles, rows))
        rows = [[each["name"], each["state"], each["path"]] for each in weights]
        console.result("\n" + format_table(("weights", "state", "file"), rows))
    _judge(devices, weights)


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    add_command(app, "doctor", DoctorOptions, run, examples=_EXAMPLES)


def _versions() -> dict[str, str | None]:
    from importlib.metadata import PackageNotFoundError, version

    found: dict[str, str | None] = {
        "focusfix": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "executable": sys.executable,
    }
    for library in _LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            found[library] = None
    return found


def _check_devices() -> list[dict[str, Any]]:
    from focusfix.runtime.device import compare_with_cpu, list_devices

    checked = []
    for device in list_devices():
        difference = compare_with_cpu(device)
        checked.append(
            {
                "device": device.name,
                "difference_from_cpu": float(f"{difference:.1e}"),
                "ok": difference <= _TOLERANCE,
                "note": device.note,
            }
        )
    return checked


def _check_weights() -> list[dict[str, str]]:
    from focusfix.io.weights import verify_weights

    return [
        {"name": each.name, "state": each.state, "path": str(each.path)}
        for each in verify_weights()
    ]


def _judge(devices: list[dict[str, Any]], weights: list[dict[str, str]]) -> None:
    wrong = [each["device"] for each in devices if not each["ok"]]
    if wrong:
        raise DeviceError(
            f"{', '.join(wrong)} does not compute what the CPU does.",
            "Update the driver and torch, or use --device cpu.",
        )
    broken = [each["path"] for each in weights if each["state"] in {"changed", "missing"}]
    if broken:
        raise ModelError(
            f"These weights are not those of the list of checksums: {', '.join(broken)}.",
            "Copy or download them again.",
        )


def _word(value: object) -> object:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value
