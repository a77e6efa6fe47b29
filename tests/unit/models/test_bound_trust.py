"""The trust map: what it is made of, how far it looks, and what the re-blur residual misses."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from focusfix.blocks import assemble_blocks
from focusfix.engine.normalize import ChangeScale, IntensityScale
from focusfix.engine.source import ArraySource
from focusfix.engine.stream import restore
from focusfix.engine.tiles import TilePlan, plan_tiles
from focusfix.footprint import Footprint
from focusfix.models.base import Restorer
from focusfix.models.bound_codes import SwappedBlur
from focusfix.models.bound_line import ChosenImage, PairExtrapolation, WithBlurredCopy
from focusfix.models.bound_trust import SIGNS, SIGNS_WITH_ENCODER, TrustMap, TrustSigns
from focusfix.models.latent_line import LatentLine
from focusfix.models.registry import build_network, get_entry
from focusfix.runtime.device import select_device
from focusfix.runtime.executor import build_tile_function

WEIGHTS = (0.4, 0.3, 0.2, -0.1, 0.5, -0.2, 0.3)
ROUNDING = 1e-5
SPREAD, RE_BLUR, CHANGE, CONTRAST, BLUR, BLUR_SQUARED = range(len(SIGNS))


class Stripes(Restorer):
    """Adds a pattern that stays where it is when the image is mirrored: a made-up texture."""

    def __init__(self, frequency: float, height: float) -> None:
        super().__init__()
        self.frequency, self.height = frequency, height
        self.hyperparameters = {}

    @property
    def footprint(self) -> Footprint:
        return Footprint(0, 6)

    def forward(self, image: Tensor) -> Tensor:
        place = torch.arange(image.shape[-1], dtype=image.dtype)
        return image + self.height * torch.sin(2 * math.pi * self.frequency * place)


def make_reader() -> LatentLine:
    torch.manual_seed(1)
    reader = LatentLine(widths=[4, 6], rank=2, hidden=6, window_px=12, support_px=24)
    with torch.no_grad():
        for parameter in reader.reading.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.3)
    return reader.eval()


def let_read(reader: LatentLine, radius_px: float) -> LatentLine:
    def read(code: Tensor) -> tuple[Tensor, Tensor]:
        return torch.full_like(code[:, :1], radius_px), torch.ones_like(code[:, :1])

    reader.reading.forward = read  # type: ignore[method-assign]
    return reader


def make_network() -> Restorer:
    torch.manual_seed(0)
    network = build_network("wiener-unet", dict(get_entry("wiener-unet").tiny))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.05)
    return network.eval()


def make_line(alpha: float) -> Restorer:
    network = build_network("linear-ae-direct", dict(get_entry("linear-ae-direct").tiny)).eval()
    psf = torch.full((3, 3), 1 / 9)
    return WithBlurredCopy(PairExtrapolation(network, alpha=alpha, psf=psf), psf)


def make_swap() -> Restorer:
    network = build_network("manifold", dict(get_entry("manifold").tiny)).eval()
    return SwappedBlur(network, network.focus_code.unsqueeze(0))


def noise(*shape: int) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("network", "weights"),
    [
        (make_network(), None),
        (make_network(), WEIGHTS),
        (make_line(0.5), None),
        (make_line(0.5), (*WEIGHTS, 0.1)),
    ],
    ids=["uncalibrated", "calibrated", "with an encoder", "with an encoder, calibrated"],
)
def test_tiles_through_the_engine_give_the_whole_map(network, weights) -> None:
    binding = TrustMap(TrustSigns(network, make_reader()), weights)
    footprint = binding.footprint
    function = build_tile_function(
        binding,
        device=select_device("cpu"),
        precision="fp32",
        runtime="torch",
        margin_px=footprint.halo_px,
    )
    pixels = np.random.default_rng(0).random((1, 151, 133, 1), dtype=np.float32)
    scales = [ChangeScale.of(IntensityScale(offset=0.0, gain=0.5))]

    def run(plan: TilePlan) -> np.ndarray:
        return assemble_blocks(restore(ArraySource(pixels), function, plan, scales), plan.shape_yx)

    whole = run(plan_tiles((151, 133), footprint, tile_px=4096))
    tiled_plan = plan_tiles((151, 133), footprint, tile_px=2 * footprint.halo_px + 84)
    assert tiled_plan.n_tiles >= 4
    np.testing.assert_allclose(run(tiled_plan), whole, rtol=2e-4, atol=2e-5)
    assert whole.min() > 0


@pytest.mark.parametrize("make", [make_network, lambda: make_line(0.5)], ids=["plain", "encoder"])
def test_footprint_covers_every_pixel_that_counts(make) -> None:
    signs = TrustSigns(make(), make_reader())
    reach, stride = signs.footprint.reach_px, signs.footprint.stride_px
    middle = (reach // stride + 2) * stride
    image = noise(1, 1, 4 * stride, 2 * middle + stride).requires_grad_()
    for phase in range(stride):
        [gradient] = torch.autograd.grad(signs(image)[..., middle + phase].sum(), image)
        weight = gradient.abs().sum(dim=(0, 1, 2))
        [seen] = torch.nonzero(weight > ROUNDING * weight.max(), as_tuple=True)
        assert int((seen - middle - phase).abs().max()) <= reach


def test_strides_that_do_not_divide_one_another() -> None:
    signs = TrustSigns(Stripes(0.2, 0.1), make_reader())
    assert signs.reader.footprint.stride_px == 4
    assert signs.footprint.stride_px == 12


def test_signs_are_what_they_are_called() -> None:
    reader = let_read(make_reader(), 7.0)
    image = noise(1, 1, 48, 48)
    with torch.inference_mode():
        signs = TrustSigns(Stripes(0.2, 0.0), reader)(image)[0]
    assert signs.shape == (len(SIGNS) + 1, 48, 48)
    floor = math.log(1e-4)
    torch.testing.assert_close(signs[SPREAD], torch.full((48, 48), floor), atol=0.01, rtol=0)
    torch.testing.assert_close(signs[CHANGE], torch.full((48, 48), floor), atol=0.01, rtol=0)
    assert float(signs[CONTRAST].exp().mean()) == pytest.approx(12**-0.5, rel=0.05)
    read = float(reader.blur_like(image, image)[1].mean())
    torch.testing.assert_close(signs[BLUR], torch.full((48, 48), read / 10))
    torch.testing.assert_close(signs[BLUR_SQUARED], signs[BLUR].square())
    assert (signs[-1] == 1).all()


def test_map_is_what_the_weights_make_of_the_signs() -> None:
    signs = TrustSigns(make_network(), make_reader())
    image = noise(2, 1, 48, 48)
    with torch.inference_mode():
        found = signs(image)
        calibrated = TrustMap(signs, WEIGHTS)(image) - image
        uncalibrated = TrustMap(signs, None)(image) - image
    weighed = sum(weight * found[:, i] for i, weight in enumerate(WEIGHTS))
    torch.testing.assert_close(calibrated[:, 0], weighed.exp(), rtol=1e-4, atol=1e-5)
    larger = torch.maximum(found[:, SPREAD], found[:, RE_BLUR]).exp()
    torch.testing.assert_close(uncalibrated[:, 0], larger, rtol=1e-4, atol=1e-5)


def test_weights_must_be_of_these_signs() -> None:
    with pytest.raises(ValueError, match="expected 7 weights, got 3"):
        TrustMap(TrustSigns(Stripes(0.2, 0.1), make_reader()), (1.0, 2.0, 3.0))


def test_structure_that_blur_wipes_out_is_seen_though_it_passes_the_re_blur_check() -> None:
    """Stripes at a zero of the blur: blurred again they are gone, as if they had not been added.

    A uniform disc of radius r passes the frequency f by 2 J1(2 pi f r) / (2 pi f r), and J1 is
    zero at 13.3237. Guesses that depend on where they are made differ once the image is mirrored.
    """
    reader = make_reader()
    rung = next(radius for radius in reader.ladder.radii.tolist() if radius > 6)
    height = 0.2
    invented = Stripes(13.3237 / (2 * math.pi * rung), height)
    with torch.no_grad():
        blurred = reader.ladder(noise(1, 1, 144, 144), torch.full((1, 1, 144, 144), rung))
        radius = torch.full((1, 1, 144, 144), rung)
        reader.blur_like = lambda image, _: (reader.ladder(image, radius), radius)  # type: ignore[method-assign]
        honest, lying = (
            TrustSigns(network, reader)(blurred)[0, :, 48:-48, 48:-48].exp().mean(dim=(1, 2))
            for network in (Stripes(0.2, 0.0), invented)
        )
    assert float(lying[RE_BLUR] - honest[RE_BLUR]) < 0.03 * height
    assert float(lying[SPREAD] - honest[SPREAD]) > 0.3 * height
    assert float(lying[CHANGE] - honest[CHANGE]) > 0.5 * height


def test_models_with_an_encoder_have_one_sign_more() -> None:
    line = make_line(0.5)
    assert TrustSigns(make_network(), make_reader()).names == SIGNS
    for binding in (line, make_swap(), ChosenImage(0, line.pair.network)):
        signs = TrustSigns(binding, make_reader())
        assert signs.names == SIGNS_WITH_ENCODER
        stride = signs.footprint.stride_px
        with torch.inference_mode():
            assert (
                signs(noise(1, 1, 8 * stride, 8 * stride)).shape[1] == len(SIGNS_WITH_ENCODER) + 1
            )


def test_re_encoding_error_is_what_a_result_loses_by_its_own_code() -> None:
    class Half(Restorer):
        """Codes half of what it is shown."""

        footprint = Footprint(0, 1)

        def forward(self, image: Tensor) -> Tensor:
            return image / 2

    class Kept(Restorer):
        """Leaves images as they are, and would code them by half."""

        footprint = Footprint(0, 1)

        def __init__(self) -> None:
            super().__init__()
            self.encoder = Half()

        @property
        def reencoder(self) -> Restorer:
            return self.encoder

        def forward(self, image: Tensor) -> Tensor:
            return image.clone()

    image = noise(1, 1, 48, 48)
    with torch.inference_mode():
        signs = TrustSigns(Kept(), let_read(make_reader(), 1.0))
        found = signs(image)[0, SIGNS_WITH_ENCODER.index("re-encoding")].exp()
        uncalibrated = (TrustMap(signs, None)(image) - image)[0, 0]
    assert float(found.mean()) == pytest.approx(0.25, rel=0.03)
    assert (uncalibrated >= found - ROUNDING).all()
