"""What the pages say of the code, in numbers and names, is what the code says."""

from pathlib import Path

import pytest

from focusfix import optics
from focusfix.config import CheckpointHeader
from focusfix.data.manifest import OPTIONAL_COLUMNS, REQUIRED_COLUMNS
from focusfix.models.multilevel_unet import MultiLevelUNet
from focusfix.models.registry import list_entries
from focusfix.models.wiener_unet import WienerUNet
from focusfix.training import run_folder

DOCS = Path(__file__).resolve().parents[2] / "docs"
NO_FUSION = "\N{EN DASH}"


def read_page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def count_parameters(network: MultiLevelUNet | WienerUNet) -> str:
    return f"{sum(parameter.numel() for parameter in network.parameters()):,}"


def test_models_page_has_every_network() -> None:
    page = read_page("models.md")
    assert all(f"## {entry.name}\n" in page for entry in list_entries())


def test_models_page_describes_the_default() -> None:
    network = WienerUNet()
    footprint = network.footprint
    assert (
        f"it has {count_parameters(network)} parameters, a stride of {footprint.stride_px} and a "
        f"halo of {footprint.halo_px} pixels"
    ) in " ".join(read_page("models.md").split())


@pytest.mark.parametrize("fusion", ["residual", "concat"])
@pytest.mark.parametrize("levels", [1, 2, 3, 4])
def test_models_page_counts_parameters(levels: int, fusion: str) -> None:
    def build(channels: int, image_link: str) -> MultiLevelUNet:
        return MultiLevelUNet(
            levels=levels,
            fusion=fusion,
            image_link=image_link,
            in_channels=channels,
            out_channels=channels,
        )

    plain = build(1, "all")
    row = [str(levels), fusion if levels > 1 else NO_FUSION]
    row += [count_parameters(build(2, link)) for link in ("all", "not-finest")]
    last = [count_parameters(plain), str(plain.footprint.halo_px)]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in read_page("models.md").splitlines()
        if line.startswith("|")
    ]
    assert [*row, *last] in [cells[:4] + cells[-2:] for cells in rows]


def test_optics_page_has_every_setting() -> None:
    page = read_page("optics.md")
    settings = [*optics.OpticsSettings.model_fields, *optics.CameraSettings.model_fields]
    assert [name for name in settings if f"`{name}`" not in page] == []


@pytest.mark.parametrize(
    ("lens", "aperture", "index", "wavelength_um"),
    [
        ("NA 0.5, air", 0.5, 1.0, 0.55),
        ("NA 0.75, air", 0.75, 1.0, 0.52),
        ("NA 1.2, water (1.33)", 1.2, 1.33, 0.52),
        ("NA 1.4, oil (1.515)", 1.4, 1.515, 0.52),
    ],
)
def test_optics_page_says_where_rays_take_over(
    lens: str, aperture: float, index: float, wavelength_um: float
) -> None:
    settings = optics.OpticsSettings(
        numerical_aperture=aperture,
        refractive_index=index,
        wavelength_um=wavelength_um,
        pixel_size_um=1.0,
    )
    turns = optics._TURNS_OF_GEOMETRIC_LIMIT
    dz_um = turns / optics.defocus_turns(settings, 1.0)
    radius_um = optics.blur_radius_px(settings, dz_um)
    page = read_page("optics.md")
    assert f"Above {turns:.0f} turns" in page
    assert f"| {lens} | {wavelength_um} | {dz_um:.1f} | {radius_um:.1f} |" in page


def test_header_page_has_every_key() -> None:
    page = read_page("decisions/0004-checkpoint-header.md")
    assert [key for key in CheckpointHeader.model_fields if f"`{key}`" not in page] == []


def test_data_page_has_every_column() -> None:
    page = read_page("data.md")
    columns = REQUIRED_COLUMNS + OPTIONAL_COLUMNS
    assert [column for column in columns if f"| `{column}` |" not in page] == []


def test_train_page_has_every_file() -> None:
    page = read_page("howto/train.md")
    files = {value for name, value in vars(run_folder).items() if name.endswith("_NAME")}
    assert [name for name in sorted(files) if f"| `{name}" not in page] == []
