"""What ``focusfix score --format json`` prints, as types and as a published JSON schema.

``python -m focusfix.cli.score_schema`` prints the schema, which is ``docs/schema/score.json``.
"""

import json
import sys
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from focusfix.cli.console import SCHEMA_VERSION

Number = Annotated[
    float | Literal["inf", "-inf"] | None,
    Field(description="A number; null where it is not defined, text where it is infinite."),
]
Coordinates = Annotated[
    dict[str, int], Field(description="Index along each axis that numbers the planes, T, Z, C.")
]
Widths = Annotated[
    dict[str, dict[str, Number]],
    Field(description='By direction ("y" and "x", or "line"), then by image.'),
]


class _Part(BaseModel):
    """Part of a line."""

    model_config = ConfigDict(use_attribute_docstrings=True, frozen=True)


class _Line(_Part):
    """A whole line."""

    schema_version: Literal[1]
    """Changes when a key is taken away or gets another meaning; keys may be added without."""


class Profile(_Part):
    """Full widths at half maximum of ``--profile``."""

    fwhm_px: Widths
    """Pixels."""
    fwhm_um: Widths
    """Micrometres; null where the pixel size is not known."""


class Foretold(_Part):
    """Expected against true absolute errors."""

    correlation: Number
    """Of the logarithms of both, over neighbourhoods of 8 x 8 pixels."""
    expected: Number
    """Mean; grey values."""
    actual: Number
    """Mean; grey values."""


class Means(_Part):
    """Means over planes."""

    scores: dict[str, Number]
    """By measure; names that end in _input score the untouched input, in _gain what was gained."""
    left_out: dict[str, int]
    """How many values were infinite or not defined and are not in the mean, by measure."""


class DistanceMeans(Means):
    """Means over the planes at one distance from focus."""

    dz_um: float
    """Signed distance; micrometres."""
    planes: int
    """How many planes."""


class PlaneScores(_Part):
    """One plane against its reference."""

    plane: Coordinates
    dz_um: float | None
    """Signed distance from focus where a manifest knows it; micrometres."""
    lost_band_per_px: tuple[float, float] | None
    """Frequencies of band coherence; cycles per pixel."""
    scores: dict[str, Number]
    """By measure, as in the means."""
    trust: Foretold | None
    """How well the map of ``--trust-map`` foretells the errors."""
    profile: Profile | None
    """Widths, with ``--profile``; the images are "output", "input" and "reference"."""


class ComparedImage(_Line, Means):
    """An image against its reference."""

    output: str
    """The image that was scored."""
    reference: str
    """What it should be."""
    input: str | None
    """What it was made from."""
    trust_map: str | None
    """Map of the errors that it is expected to have."""
    data_range: float
    """Largest possible grey value."""
    data_range_from: str
    """What says so."""
    profile_at: str | None
    """Value of ``--profile``."""
    by_distance: list[DistanceMeans]
    """By ascending distance; empty where none is known."""
    planes: list[PlaneScores]
    """In the order of the image."""


class SummaryOfImages(Means):
    """Means over the planes of several images."""

    files: int
    """How many images."""
    planes: int
    """How many planes."""
    by_distance: list[DistanceMeans]
    """By ascending distance; empty where none is known."""


class Summary(_Line):
    """The last line for several images with references."""

    summary: SummaryOfImages


class PlaneAlone(_Part):
    """One plane without a reference."""

    plane: Coordinates
    sharpness: Number
    """Cycles per pixel."""
    resolution_px: Number
    """Finest detail above the noise; pixels."""
    resolution_um: Number
    """The same; micrometres."""
    resolution_at_limit: bool
    """Whether detail may be finer than can be told."""
    noise: Number
    """Standard deviation; grey values."""
    clipped_low: Number
    """Share of pixels at 0."""
    clipped_high: Number
    """Share of pixels at the largest grey value."""
    dz_abs_um: Number
    """Distance from focus without its sign, with ``--numerical-aperture`` or weights that know
    micrometres; micrometres."""
    dz_abs_error_um: Number
    """Absolute error of the distance to expect; micrometres."""
    dz_um: Number
    """Signed distance, where weights tell the sides of focus apart; micrometres."""
    dz_confidence: Number
    """1 for a reading without scatter, 0 for a guess; of weights that know micrometres."""
    sharpest: bool
    """Whether it is the sharpest of its z-stack."""
    profile: Profile | None
    """Widths, with ``--profile``; the image is "image"."""


class ImageAlone(_Line):
    """An image without a reference."""

    input: str
    """The image that was scored."""
    repeat: str | None
    """Second recording of the same field."""
    pixel_size_um: float | None
    """Side of a pixel; micrometres."""
    data_range: float | None
    """Largest possible grey value."""
    profile_at: str | None
    """Value of ``--profile``."""
    sharpest_planes: list[Coordinates]
    """One for each z-stack."""
    planes: list[PlaneAlone]
    """In the order of the image."""


class Reason(_Part):
    """Why an image could not be scored."""

    exit_code: int
    """Exit code that the failure alone would have had."""
    cause: str
    """What was wrong."""
    fix: str
    """What to do."""


class FailedImage(_Line):
    """One of several images that could not be scored."""

    input: str
    """The image."""
    error: Reason


class TaskMeans(_Part):
    """What weights reach in one task, at one distance or over them."""

    task: str
    """Such as "deblurring", "reconstruction" or "synthesis"."""
    method: str
    """"model", where its blur code comes from, or a method without a model."""
    distance: float | None
    """Of the level, or of the sharper input, from focus; null for the mean."""
    images: int
    """How many images."""
    psnr_db: Number
    """Mean of the PSNR of each image; data range 1 on the scale of each field."""
    pooled_psnr_db: Number
    """PSNR of the mean squared error."""
    ssim: Number
    """Mean."""


class Paths(_Part):
    """Linearity and spacing of latent paths; "sq" as the published code computes them."""

    lds: float
    apd: float
    lds_sq: float
    apd_sq: float


class ProbeAccuracy(_Part):
    """What one kind of classifier reads from codes."""

    identity_accuracy: float
    blur_accuracy: float
    ml_vae_score: float
    chance: float


class ChannelScores(_Part):
    """Scores of weights on one channel."""

    channel: str
    """Its name."""
    rows: list[TaskMeans]
    """By task, method and distance."""
    paths: Paths | None
    """For latent-line models."""
    probes: dict[str, ProbeAccuracy]
    """By kind of classifier, for models with two codes."""


class ScoredWeights(_Line):
    """Weights on focal series, with ``--checkpoint``."""

    checkpoint: str
    """As given."""
    model: str
    """Architecture."""
    steps: int
    """Steps trained."""
    split: Literal["test", "validation", "all"]
    """Which fields were scored."""
    fields: list[str]
    """Their names."""
    distance_unit: Literal["um", "levels"]
    """Of distances from focus."""
    crop_size: int | None
    """Side of the middle that was scored; null for whole fields."""
    channels: list[ChannelScores]
    """In the order of the data."""


ScoreLine = ComparedImage | Summary | ImageAlone | FailedImage | ScoredWeights
"""What a line of output may be."""


def write_schema() -> str:
    """Write the schema of one line of output.

    Returns
    -------
    str
        JSON Schema, draft 2020-12.
    """
    schema: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"One line of `focusfix score --format json`, schema_version {SCHEMA_VERSION}",
        **TypeAdapter(ScoreLine).json_schema(),
    }
    return json.dumps(schema, indent=2) + "\n"


if __name__ == "__main__":
    sys.stdout.write(write_schema())
