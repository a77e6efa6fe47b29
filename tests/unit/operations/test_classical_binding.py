import numpy as np
import pytest

from focusfix.classical.richardson_lucy import RichardsonLucy
from focusfix.classical.sharpening import UnsharpMask
from focusfix.classical.wiener import WienerDeconvolution
from focusfix.errors import InputError
from focusfix.operations.classical import ClassicalSettings, bind_classical
from focusfix.optics import OpticsSettings

LENS = OpticsSettings(numerical_aperture=0.5, wavelength_um=0.5, pixel_size_um=0.5)


def noise(side: int = 64) -> np.ndarray:
    return np.random.default_rng(0).normal(100, 5, (side, side))


def test_not_everything_depends_on_the_plane() -> None:
    unsharp = bind_classical(ClassicalSettings("unsharp", amount=0.5), None)
    assert unsharp.function == UnsharpMask(2.0, 0.5)
    assert unsharp.details == {"radius_px": 2.0, "amount": 0.5}
    settings = ClassicalSettings("richardson-lucy", -3.0, iterations=7)
    lucy = bind_classical(settings, LENS)
    assert isinstance(lucy.function, RichardsonLucy)
    assert (lucy.function.iterations, lucy.dz_um, lucy.details["dz_found"]) == (7, 3.0, False)


def test_wiener_says_what_it_read() -> None:
    bound = bind_classical(ClassicalSettings("wiener", 2.0), LENS, noise())
    assert isinstance(bound.function, WienerDeconvolution)
    assert bound.details["noise_counts"] == pytest.approx(5, rel=0.2)
    assert bound.details["optics"] == LENS.model_dump()
    assert not bound.may_be_farther


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        (ClassicalSettings("unsharp"), (False, False)),
        (ClassicalSettings("wiener", 1.0), (True, True)),
        (ClassicalSettings("richardson-lucy", 1.0), (True, False)),
        (ClassicalSettings("richardson-lucy"), (True, True)),
    ],
    ids=["unsharp", "wiener", "richardson-lucy", "richardson-lucy auto"],
)
def test_what_is_needed(settings: ClassicalSettings, wanted: tuple[bool, bool]) -> None:
    assert (settings.needs_lens, settings.looks_at_planes) == wanted


def test_a_small_plane_tells_too_little() -> None:
    with pytest.raises(InputError, match="20 x 20 pixels is too small"):
        bind_classical(ClassicalSettings("wiener", 1.0), LENS, noise(20))


@pytest.mark.parametrize("wrong", [{"iterations": 0}, {"total_variation": 1.0}, {"amount": 0.0}])
def test_refuses_settings_out_of_range(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ClassicalSettings("wiener", **wrong)


def test_lens_and_plane_are_needed() -> None:
    with pytest.raises(ValueError, match="a plane is needed"):
        bind_classical(ClassicalSettings("richardson-lucy"), LENS)
    with pytest.raises(ValueError, match="needs a lens"):
        bind_classical(ClassicalSettings("wiener", 1.0), None, noise())
