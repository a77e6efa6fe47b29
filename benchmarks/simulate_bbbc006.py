"""Write a plate that looks like BBBC006: `python benchmarks/simulate_bbbc006.py --data DIR -o OUT`.

BBBC006 (U2OS cells, 384 wells, 2 sites, 2 channels, 34 planes 2 um apart) is read by focusfix as
it is downloaded. This command makes a small plate of the same layout from sharp images, for
machines without the download: folders of z-levels, file names with well, site and channel, 12-bit
grey values in 16-bit LZW TIFF. Channel w1 holds nuclei (DIR/sharp/fluorescence, 520 x 696 pixels),
w2 actin, tubulin, neurites or mitochondria (DIR/sharp/other), each seen through the microscope of
focusfix.data.screening; the two channels of a field show different samples.

No sharp image serves two splits. Test wells hold nuclei from files that no shipped weights were
trained on (focusfix.data.sharp_images.split_of); of the few images for w2 the shipped fluorescence
weights have seen all. `manifest.csv` declares splits, heights and the level in focus, and is what
focusfix reads first; without it the folders are read like the real ones. `sources.csv` says what
every field was made of.
"""

import argparse
import csv
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile

from focusfix.data.plane_folders import BBBC006_FOCAL_LEVEL
from focusfix.data.screening import PEAK_COUNTS, SCREENING_CAMERA, SCREENING_OPTICS
from focusfix.data.sharp_images import edge_sharpness, read_sharp_images, split_of
from focusfix.optics import FloatArray, defocus_psf, expose_camera, image_plane

SHAPE_YX = (520, 696)
STEP_UM = 2.0
LAST_LEVEL = 33
SITES = 2
EMISSION_UM = {"w1": 0.461, "w2": 0.599}
OTHER_PLANES = {
    "train": (
        ("bpae_actin.tif", 0),
        ("bpae_mitochondria.tif", 0),
        ("neubias_cell_dna_mts_actin.tif", 1),
        ("neubias_cell_dna_mts_actin.tif", 2),
        ("neubias_dapi_tublin.tif", 1),
    ),
    "validation": (("neubias_membranes_nuclei_big.tif", 0), ("neubias_hela_cells.tif", 1)),
    "test": (
        ("neubias_tub_h2b_cecog_battery.tif", 0),
        ("neubias_rat_hippocampal_neuron.tif", 0),
        ("neuron_4ch.tif", 2),
    ),
}
"""Files and planes for w2: actin, mitochondria, tubulin; membranes; tubulin, neurites."""
ZOOMS = (0.8, 1.25)
MANIFEST_COLUMNS = (
    "path", "field", "channel", "z_index", "z_um", "focal_level", "well", "split"
)  # fmt: skip


@dataclass(frozen=True)
class Source:
    """One sharp plane, and where it is from."""

    name: str
    plane: FloatArray


@dataclass(frozen=True)
class Field:
    """One place of the plate: its wells are those of its split alone."""

    number: int
    well: str
    site: int
    split: str

    @property
    def name(self) -> str:
        """Well and site, as in the file names."""
        return f"{self.well}_s{self.site}"


def plan_fields(counts: dict[str, int]) -> list[Field]:
    """Lay the fields out on the plate, two sites a well, every well in one split."""
    fields: list[Field] = []
    for split, count in counts.items():
        first_well = len({f.well for f in fields})
        for i in range(count):
            row, column = divmod(first_well + i // SITES, 24)
            well = f"{'abcdefghijklmnop'[row]}{column + 1:02d}"
            fields.append(Field(len(fields), well, i % SITES + 1, split))
    return fields


def read_nuclei(folder: Path, counts: dict[str, int]) -> dict[str, list[Source]]:
    """Read the sharpest nuclei of the plate's size for each split."""
    pools: dict[str, list[Source]] = {"train": [], "test": []}
    for image in read_sharp_images(sorted(folder.glob("*.png"))):
        split = split_of(image.path)
        if image.plane.shape == SHAPE_YX and split in pools:
            pools[split].append(Source(image.path.name, image.plane))
    for pool in pools.values():
        pool.sort(key=lambda source: edge_sharpness(source.plane), reverse=True)
    wanted = {"train": counts["train"] + counts["validation"], "test": counts["test"]}
    for split, count in wanted.items():
        if len(pools[split]) < count:
            raise SystemExit(f"{folder} has {len(pools[split])} images for {split}, not {count}.")
    kept = pools["train"][: wanted["train"]]
    every = max(2, len(kept) // max(1, counts["validation"]))
    validation = kept[::every][: counts["validation"]]
    train = [source for source in kept if source not in validation]
    return {"train": train, "validation": validation, "test": pools["test"][: counts["test"]]}


def read_others(folder: Path) -> dict[str, list[Source]]:
    """Read the planes for w2."""
    found: dict[str, list[Source]] = {}
    for split, planes in OTHER_PLANES.items():
        for name, position in planes:
            images = read_sharp_images([folder / name])
            found.setdefault(split, []).append(Source(f"{name}:{position}", images[position].plane))
    return found


def draw_window(source: Source, rng: np.random.Generator) -> FloatArray:
    """Cut a plate-sized window at random size and turn, continued by reflection where needed."""
    from skimage.transform import rescale

    zoom = float(np.exp(rng.uniform(*np.log(ZOOMS))))
    plane = rescale(source.plane, zoom, anti_aliasing=zoom < 1).astype(np.float32)
    plane = np.rot90(plane, int(rng.integers(4)))
    missing = [max(0, want - size) for want, size in zip(SHAPE_YX, plane.shape, strict=True)]
    plane = np.pad(plane, [(gap // 2, gap - gap // 2) for gap in missing], mode="symmetric")
    y, x = (rng.integers(s - w + 1) for w, s in zip(SHAPE_YX, plane.shape, strict=True))
    return np.clip(plane[y : y + SHAPE_YX[0], x : x + SHAPE_YX[1]], 0, 1)


class Microscope:
    """The screening microscope in one channel; remembers its PSFs."""

    def __init__(self, channel: str, levels: Sequence[int], spherical_waves: float) -> None:
        self.optics = SCREENING_OPTICS.model_copy(
            update={"wavelength_um": EMISSION_UM[channel], "spherical_waves": spherical_waves}
        )
        self.psf = {level: defocus_psf(self.optics, height_um(level)) for level in levels}
        self.focus_psf = defocus_psf(self.optics, 0.0)

    def record(self, plane: FloatArray, level: int, rng: np.random.Generator) -> np.ndarray:
        """Record one level; in focus the 99.9th percentile is PEAK_COUNTS above the offset."""
        sharp = image_plane(plane, self.focus_psf)
        counts = PEAK_COUNTS / float(np.percentile(sharp, 99.9))
        light = image_plane(plane, self.psf[level]) * counts
        return expose_camera(light, SCREENING_CAMERA, rng).astype(np.uint16)


def height_um(level: int) -> float:
    """Height of a level above the plane in focus."""
    return (level - BBBC006_FOCAL_LEVEL) * STEP_UM


def write_plane(output: Path, field: Field, channel: str, level: int, pixels: np.ndarray) -> Path:
    """Write one plane under a name like those of BBBC006; return its path below the output."""
    tail = hashlib.sha256(f"{field.name} {channel} {level}".encode()).hexdigest()
    folder = Path(f"BBBC006_simulated_z_{level:02d}")
    path = folder / f"simulated-z-stacks_{field.name}_{channel}{tail[:32]}.tif"
    (output / folder).mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(
        output / path,
        pixels,
        compression="lzw",
        photometric="minisblack",
        resolution=(1e4 / SCREENING_OPTICS.pixel_size_um,) * 2,
        resolutionunit="CENTIMETER",
        metadata=None,
        software="focusfix simulate_bbbc006",
    )
    return path


def channel_planes(
    field: Field, nuclei: dict[str, list[Source]], others: dict[str, list[Source]], seed: int
) -> Iterator[tuple[str, Source, FloatArray]]:
    """Choose what each channel of a field shows."""
    yield "w1", (source := nuclei[field.split].pop(0)), source.plane
    rng = np.random.default_rng([seed, field.number, 2])
    source = others[field.split][field.number % len(others[field.split])]
    yield "w2", source, draw_window(source, rng)


def simulate(
    data: Path,
    output: Path,
    *,
    counts: dict[str, int],
    levels: Sequence[int],
    seed: int,
    spherical_waves: float,
) -> int:
    """Write the plate and its two lists; return the number of planes."""
    nuclei = read_nuclei(data / "sharp" / "fluorescence", counts)
    others = read_others(data / "sharp" / "other")
    microscopes = {c: Microscope(c, levels, spherical_waves) for c in EMISSION_UM}
    rows, sources = [], []
    for field in plan_fields(counts):
        for channel, source, plane in channel_planes(field, nuclei, others, seed):
            sources.append([field.name, channel, field.split, source.name])
            for level in levels:
                rng = np.random.default_rng([seed, field.number, int(channel[1]), level])
                pixels = microscopes[channel].record(plane, level, rng)
                path = write_plane(output, field, channel, level, pixels)
                place = (field.name, channel, level, height_um(level), BBBC006_FOCAL_LEVEL)
                rows.append([path.as_posix(), *place, field.well, field.split])
        print(f"{field.name} ({field.split})", flush=True)
    for name, columns, table in (
        ("manifest.csv", MANIFEST_COLUMNS, rows),
        ("sources.csv", ("field", "channel", "split", "source"), sources),
    ):
        with (output / name).open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([columns, *table])
    return len(rows)


def main() -> None:
    """Parse the command line and write the plate."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with sharp/")
    parser.add_argument("-o", "--output", type=Path, required=True, help="new folder")
    parser.add_argument("--train", type=int, default=48, help="fields (even numbers)")
    parser.add_argument("--validation", type=int, default=8)
    parser.add_argument("--test", type=int, default=10)
    parser.add_argument("--level-step", type=int, default=2, help="levels between two folders")
    parser.add_argument(
        "--both-sides", action="store_true", help="levels 0 to 33, not only 0 to the focus, 16"
    )
    parser.add_argument(
        "--spherical-waves",
        type=float,
        default=0.0,
        help="spherical aberration, without which both sides of the focus look alike",
    )
    parser.add_argument("--seed", type=int, default=6)
    options = parser.parse_args()
    if (options.output / "manifest.csv").exists():
        raise SystemExit(f"{options.output} holds a plate already.")
    last = LAST_LEVEL if options.both_sides else BBBC006_FOCAL_LEVEL
    levels = range(0, last + 1, options.level_step)
    if BBBC006_FOCAL_LEVEL not in levels:
        raise SystemExit(f"--level-step {options.level_step} leaves out the level in focus, 16.")
    count = simulate(
        options.data,
        options.output,
        counts={s: getattr(options, s) for s in ("train", "validation", "test")},
        levels=levels,
        seed=options.seed,
        spherical_waves=options.spherical_waves,
    )
    print(f"{count} planes in {options.output}")


if __name__ == "__main__":
    main()
