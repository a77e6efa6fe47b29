"""What networks do to structure they never saw: `python benchmarks/papers/beads_table.py --data D`.

The test of Cederloef's thesis: networks that learned from nuclei deblur beads, simulated ones (the
microscope of focusfix.data.screening) and two real stacks, through `focusfix deblur`. Every plane
is compared with the one in focus after an affine fit of intensities, and the width of the brightest
bead is measured, beside those of the untouched plane. Writes a table and a figure.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile
from scored_models import RESULTS, markdown, write_csv, write_markdown

from focusfix.data.screening import SCREENING_OPTICS, screening_pair
from focusfix.metrics.fidelity import affine_fit, psnr, ssim
from focusfix.metrics.widths import measure_widths
from focusfix.report.figures import new_figure, save_figure

sys.path.insert(0, str(Path(__file__).parents[1]))
from deblur_runs import NOTHING, Method, all_methods, deblur

SIDE_PX = 256
BEADS = 14
BEAD_RADIUS_PX = 1.2
LEVELS = 9
STEP_UM = 4.0
SEED = 6
LEFT_OUT = ("unsharp", "richardson-lucy")
LEFT_AS_THEY_ARE = "linear-ae"
"""Networks that find no alpha for one image, and are not drawn."""

IMAGES = Path(__file__).parents[2] / "docs" / "images" / "papers"
COLUMNS = ("beads", "model", "psnr_db", "ssim", "fwhm_px", "fwhm_in_focus_px")


@dataclass(frozen=True)
class Beads:
    """A stack of beads.

    Parameters
    ----------
    name : str
        For the table.
    planes : ndarray, shape (Z, Y, X)
        As recorded.
    focus : int
        Plane in focus.
    width_plane : int
        Plane on which the width is measured.
    optics : tuple of str
        What the command is told.
    """

    name: str
    planes: np.ndarray
    focus: int
    width_plane: int
    optics: tuple[str, ...]

    @property
    def brightest(self) -> tuple[float, float]:
        """Row and column of the brightest bead."""
        place = np.unravel_index(self.planes[self.focus].argmax(), self.planes.shape[1:])
        return float(place[0]), float(place[1])


def simulate_beads() -> Beads:
    """Scatter small discs, and image them at nine levels from focus on."""
    rng = np.random.default_rng(SEED)
    places = rng.uniform(24, SIDE_PX - 24, (BEADS, 2))
    rows, columns = np.mgrid[:SIDE_PX, :SIDE_PX]
    plane = np.zeros((SIDE_PX, SIDE_PX), np.float32)
    for (y, x), height in zip(places, rng.uniform(0.5, 1.0, BEADS), strict=True):
        plane += height * np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / 2 / BEAD_RADIUS_PX**2)
    planes = [screening_pair(plane, STEP_UM * n, seed=SEED + n).out_of_focus for n in range(LEVELS)]
    optics = (
        "--pixel-size-um", str(SCREENING_OPTICS.pixel_size_um),
        "--numerical-aperture", str(SCREENING_OPTICS.numerical_aperture),
        "--wavelength-um", str(SCREENING_OPTICS.wavelength_um),
    )  # fmt: skip
    stack = np.round(np.stack(planes)).astype(np.uint16)
    return Beads("simulated, 4 to 32 µm", stack, 0, 3, optics)


def read_beads(folder: Path) -> Iterator[Beads]:
    """Read the real stacks, ten planes to both sides of the brightest."""
    optics = (
        "--pixel-size-um", "0.1", "--numerical-aperture", "1.3", "--refractive-index", "1.515",
    )  # fmt: skip
    for name in ("beads_z41.tif", "bead_widefield_z64.tif"):
        planes = tifffile.imread(folder / name)
        focus = int(planes.max(axis=(1, 2)).argmax())
        first = max(focus - 10, 0)
        yield Beads(name, planes[first : focus + 11], focus - first, focus - first + 4, optics)


def score(beads: Beads, planes: np.ndarray) -> np.ndarray:
    """Return PSNR and SSIM of every plane, shape (Z, 2); NaN for the one in focus."""
    truth = beads.planes[beads.focus].astype(np.float64)
    found = []
    for level, plane in enumerate(planes):
        fitted = affine_fit(plane.astype(np.float64), truth)
        both = [metric(fitted, truth, data_range=float(np.ptp(truth))) for metric in (psnr, ssim)]
        found.append([np.nan, np.nan] if level == beads.focus else both)
    return np.array(found)


def width(beads: Beads, plane: np.ndarray) -> float:
    """Measure the brightest bead, mean of both directions; NaN where it is no peak any more."""
    images = {"image": plane, "truth": beads.planes[beads.focus]}
    peaks = measure_widths(images, [beads.brightest]).peaks
    found = [each["image"].fwhm_px if each["image"] else np.nan for each in peaks.values()]
    return float(np.mean(found))


def run(method: Method, beads: Beads, work: Path) -> np.ndarray:
    """Deblur a stack by the command."""
    source, target = work / "in.tif", work / "out.tif"
    tifffile.imwrite(source, beads.planes, imagej=True, metadata={"axes": "ZYX"})
    foreign = () if beads.name.startswith("simulated") else method.foreign
    deblur(method, source, target, (*beads.optics, *foreign, "--dtype", "float32"))
    return tifffile.imread(target)


def draw(path: Path, stacks: Sequence[Beads], found: dict[str, dict[str, np.ndarray]]) -> None:
    """Show SSIM of every plane, and a line through the brightest bead."""
    figure = new_figure(9.0, 2.9 * len(stacks))
    grid = figure.subplots(len(stacks), 2, squeeze=False)
    for (curves, profiles), beads in zip(grid, stacks, strict=True):
        row = round(beads.brightest[0])
        near = slice(max(round(beads.brightest[1]) - 20, 0), round(beads.brightest[1]) + 21)
        truth = beads.planes[beads.focus].astype(np.float64)
        profiles.plot(truth[row, near], color="black", linewidth=2, label="in focus")
        shown = {n: p for n, p in found[beads.name].items() if not n.startswith(LEFT_AS_THEY_ARE)}
        for place, (name, planes) in enumerate(shown.items()):
            style = {"color": f"C{place % 10}", "linestyle": "-" if place < 10 else ":"}
            if name == NOTHING:
                style = {"color": "0.5", "linestyle": "--"}
            offsets = np.arange(len(planes)) - beads.focus
            curves.plot(offsets, score(beads, planes)[:, 1], label=name, **style)
            fitted = affine_fit(planes[beads.width_plane].astype(np.float64), truth)
            profiles.plot(fitted[row, near], label=name, **style)
        curves.set_title(f"{beads.name}: SSIM with the plane in focus", fontsize=8)
        curves.set_xlabel("planes from focus", fontsize=8)
        away = beads.width_plane - beads.focus
        profiles.set_title(f"brightest bead, {away} planes from focus", fontsize=8)
        profiles.set_xlabel("pixels", fontsize=8)
        for axes in (curves, profiles):
            axes.tick_params(labelsize=7)
    grid[0, 1].legend(fontsize=5, ncols=2)
    save_figure(figure, path)
    print(f"wrote {path}", flush=True)


def describe_steps(methods: Sequence[Method]) -> str:
    """Say how long each network was trained."""
    trained = [f"{m.name} {m.steps}" for m in methods if m.steps is not None]
    return f"Steps trained: {', '.join(trained)}."


def main() -> None:
    """Parse the command line, run, write table and figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with stacks/")
    parser.add_argument("--runs", type=Path, default=Path("runs/papers"))
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument("--images", type=Path, default=IMAGES)
    options = parser.parse_args()
    stacks = [simulate_beads(), *read_beads(options.data / "stacks")]
    methods = [m for m in all_methods(options.runs) if m.name not in LEFT_OUT]
    rows: list[list[object]] = []
    found: dict[str, dict[str, np.ndarray]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for beads in stacks:
            results = {NOTHING: beads.planes}
            results |= {m.name: run(m, beads, Path(folder)) for m in methods}
            for name, planes in results.items():
                mean = np.nanmean(score(beads, planes), axis=0)
                widths = (width(beads, planes[n]) for n in (beads.width_plane, beads.focus))
                rows.append([beads.name, name, *map(float, mean), *widths])
                print(rows[-1], flush=True)
            found[beads.name] = results
    write_csv(options.output / "beads.csv", COLUMNS, rows)
    shown = [[*row[:3], f"{row[3]:.3f}", *row[4:]] for row in rows]
    facts = f"Planes out of focus, mean; seed {SEED}. {describe_steps(methods)}"
    write_markdown(options.output / "beads.md", "benchmarks/papers/beads_table.py", facts,
                   [markdown(("beads", "model", "PSNR (dB)", "SSIM", "width of a bead (px)",
                              "of the bead in focus (px)"), shown)])  # fmt: skip
    options.images.mkdir(parents=True, exist_ok=True)
    draw(options.images / "beads.png", stacks, found)


if __name__ == "__main__":
    main()
