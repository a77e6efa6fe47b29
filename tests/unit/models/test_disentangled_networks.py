"""The three disentangled networks: codes, swapping, footprints, parameter counts."""

import inspect
import json

import numpy as np
import pytest
import torch
from torch import Tensor

from focusfix.blocks import assemble_blocks
from focusfix.engine.normalize import IntensityScale
from focusfix.engine.source import ArraySource
from focusfix.engine.stream import restore
from focusfix.engine.tiles import plan_tiles
from focusfix.errors import ModelError
from focusfix.latent.gaussian import Gaussian
from focusfix.models.manifold import ManifoldAutoencoder
from focusfix.models.manifold_line import ManifoldLineAutoencoder
from focusfix.models.ml_vae import LOG_VARIANCE_LIMIT, MultiLevelVAE
from focusfix.models.two_code_model import DisentangledModel, position_free

TINY = [3, 4, 5]
DENSE = {"head": "dense", "size_px": 32}
NETWORKS = [
    (ManifoldAutoencoder, {}),
    (MultiLevelVAE, {}),
    (ManifoldLineAutoencoder, {}),
    (ManifoldLineAutoencoder, DENSE),
]
every_network = pytest.mark.parametrize(
    ("kind", "settings"), NETWORKS, ids=["manifold", "ml-vae", "line-map", "line-dense"]
)


def build(
    kind: type[DisentangledModel] = ManifoldAutoencoder,
    settings: dict[str, object] | None = None,
    *,
    widths: list[int] = TINY,
    seed: int = 0,
) -> DisentangledModel:
    """Build one whose batch norm has seen images, so that no part of it is flat."""
    torch.manual_seed(seed)
    network = kind(widths=widths, **(settings or {}))
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        network(torch.rand(4, 1, 64, 64))
    return network.eval()


def images(count: int = 2, size: tuple[int, int] = (32, 64)) -> Tensor:
    return torch.rand(count, 1, *size, generator=torch.Generator().manual_seed(5))


def count(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_parameters_of_the_thesis() -> None:
    network = ManifoldAutoencoder()
    assert count(network.encoder) == 8_230_080
    assert count(network.decoder) == 9_369_601
    with torch.inference_mode():
        codes = network.eval().encode(torch.rand(1, 1, 128, 128))
    assert codes.identity.shape == codes.blur.shape == (1, 512, 8, 8)
    assert codes.blur.numel() == 32_768


def test_parameters_of_the_heads() -> None:
    widths = [4, 4, 4, 512]
    dense = ManifoldLineAutoencoder(widths=widths, head="dense").head
    assert (count(dense.to_code), count(dense.to_map)) == (32_769, 65_536)
    local = ManifoldLineAutoencoder(widths=widths).head
    assert (count(local.to_code), count(local.to_map)) == (513, 1024)
    vae = MultiLevelVAE(widths=widths)
    assert count(vae.identity_head) + count(vae.blur_head) == 4 * 262_656


@every_network
def test_rebuilds_from_its_own_hyperparameters(
    kind: type[DisentangledModel], settings: dict[str, object]
) -> None:
    network = build(kind, settings)
    stored = json.loads(json.dumps(network.hyperparameters))
    assert set(stored) == set(inspect.signature(kind).parameters)
    kind(**stored).load_state_dict(network.state_dict(), strict=True)


@every_network
def test_codes_and_images_have_the_sizes_promised(
    kind: type[DisentangledModel], settings: dict[str, object]
) -> None:
    network = build(kind, settings)
    with torch.inference_mode():
        codes = network.encode(images())
        restored = network.decode(*codes)
        assert torch.equal(network.encode_identity(images()), codes.identity)
    assert codes.identity.shape == (2, 5, 4, 8)
    assert codes.blur.shape == ((2, 1) if kind is ManifoldLineAutoencoder else (2, 5, 4, 8))
    assert restored.shape == (2, 1, 32, 64)
    assert 0 <= float(restored.min()) < float(restored.max()) <= 1


@every_network
def test_swapping_takes_the_identity_of_one_and_the_blur_of_another(
    kind: type[DisentangledModel], settings: dict[str, object]
) -> None:
    network = build(kind, settings)
    with torch.inference_mode():
        codes = network.encode(torch.cat([images(1), images(1) / 8]))
        (first, second), (blur, other) = (code.split(1) for code in codes)
        swapped = network.decode(first, other)
        assert not torch.equal(swapped, network.decode(first, blur))
        assert not torch.equal(swapped, network.decode(second, other))
        donated = network.deblur_image(images(1), other)
    torch.testing.assert_close(donated, swapped)


@every_network
def test_focus_code_is_stored_with_the_weights(
    kind: type[DisentangledModel], settings: dict[str, object]
) -> None:
    network = build(kind, settings)
    assert not network.knows_focus
    with pytest.raises(ModelError, match=r"no blur code of images in focus\. .*--in-focus-ref"):
        network.deblur_image(images())
    with torch.no_grad():
        blur = network.encode(images(3)).blur
        network.set_focus_code(blur)
        loaded = build(kind, settings, seed=1)
        loaded.load_state_dict(network.state_dict())
        assert int(loaded.focus_images) == 3
        torch.testing.assert_close(
            loaded.focus_code.flatten(), blur.transpose(0, 1).flatten(1).mean(1)
        )
        expected = network.deblur_image(images(), loaded.focus_code)
        assert torch.equal(loaded.deblur_image(images()), expected)


@every_network
def test_one_blur_code_serves_images_of_any_number_and_size(
    kind: type[DisentangledModel], settings: dict[str, object]
) -> None:
    network = build(kind, settings)
    with torch.inference_mode():
        donor = position_free(network.encode(images(1)).blur)
        larger = images(3, (64, 96))
        one_by_one = torch.cat([network.deblur_image(image, donor) for image in larger.split(1)])
        torch.testing.assert_close(network.deblur_image(larger, donor), one_by_one)
        torch.testing.assert_close(network.deblur_image(larger, donor[0]), one_by_one)


@every_network
def test_codes_that_do_not_fit_are_refused(
    kind: type[DisentangledModel], settings: dict[str, object]
) -> None:
    network = build(kind, settings)
    identity, blur = network.encode(images(3))
    with pytest.raises(ValueError, match="do not fit"):
        network.decode(identity, blur[:2])
    with pytest.raises(ValueError, match=r"expected shape \(N, 5, Y, X\)"):
        network.decode(identity[:, :2], blur)
    with pytest.raises(ValueError, match="multiples of"):
        network.encode(torch.rand(1, 1, 33, 32))


def test_blur_map_of_another_size_is_refused() -> None:
    network = build()
    identity = network.encode(images(1)).identity
    with pytest.raises(ValueError, match="do not fit"):
        network.decode(identity, network.encode(images(1, (32, 32))).blur)
    line = build(ManifoldLineAutoencoder)
    with pytest.raises(ValueError, match=r"expected blur codes of shape \(N, 1\)"):
        line.decode(identity, torch.zeros(1, 1, 1, 1))


@pytest.mark.parametrize("widths", [[4], [1] * 8, [0, 2], [4, -1], [4, 5000], [2.0, 1], [True, 1]])
def test_refuses_widths(widths: list[int]) -> None:
    with pytest.raises(ValueError, match="widths must"):
        ManifoldAutoencoder(widths=widths)


def test_refuses_heads() -> None:
    with pytest.raises(ValueError, match="head must be one of map, dense"):
        ManifoldLineAutoencoder(head="mean")
    with pytest.raises(ValueError, match="size_px must be a multiple of 16, got 100"):
        ManifoldLineAutoencoder(head="dense", size_px=100)
    with pytest.raises(ValueError, match="size_px must be a whole number"):
        ManifoldLineAutoencoder(size_px=0)


def test_log_variances_are_clamped() -> None:
    network = build(MultiLevelVAE)
    with torch.no_grad():
        network.blur_head.log_variance.weight.mul_(1e4)
        identity, blur = network.encode_normals(images())
    assert isinstance(identity, Gaussian)
    assert float(blur.log_variance.abs().max()) == LOG_VARIANCE_LIMIT
    assert torch.equal(network.encode(images()).blur, blur.mean)


def test_code_of_an_image_is_the_mean_of_its_blocks() -> None:
    network = build(ManifoldLineAutoencoder, DENSE)
    blur_map = torch.rand(1, 5, 8, 12)
    blocks = [
        network.head.read(blur_map[..., y : y + 4, x : x + 4]) for y in (0, 4) for x in (0, 4, 8)
    ]
    torch.testing.assert_close(network.head.read(blur_map), torch.stack(blocks).mean(dim=0))


def test_dense_layer_reads_a_block_like_a_flattened_map() -> None:
    """Channels, rows, columns, in this order: what flattening a crop's map would give."""
    head = build(ManifoldLineAutoencoder, DENSE).head
    blur_map = torch.rand(2, 5, 4, 4)
    torch.testing.assert_close(head.read(blur_map), head.to_code(blur_map.flatten(1)))
    code = torch.rand(2, 1)
    expected = head.to_map(code).reshape(2, 5, 4, 4)
    torch.testing.assert_close(head.write(code[..., None, None]), expected)


def test_a_crop_is_reconstructed_from_its_one_number() -> None:
    network = build(ManifoldLineAutoencoder, DENSE)
    with torch.inference_mode():
        crop = images(1, (32, 32))
        torch.testing.assert_close(network(crop), network.decode(*network.encode(crop)))


@pytest.mark.parametrize(
    ("settings", "reach_px", "stride_px"),
    [({}, 90, 16), ({"head": "dense", "size_px": 64}, 138, 64)],
    ids=["map", "dense"],
)
def test_footprint(settings: dict[str, object], reach_px: int, stride_px: int) -> None:
    footprint = ManifoldLineAutoencoder(widths=[2] * 4, **settings).footprint
    assert (footprint.reach_px, footprint.stride_px) == (reach_px, stride_px)
    assert footprint.exact


@pytest.mark.parametrize("axis", [2, 3], ids=["y", "x"])
@every_network
def test_reach_is_exact(
    kind: type[DisentangledModel], settings: dict[str, object], axis: int
) -> None:
    """The outermost pixel of the traced span has a gradient, and the next one has none."""
    network = kind(widths=[2] * 3, **settings)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.uniform_(0.1, 0.5)
    network = network.double().eval().requires_grad_(requires_grad=False)
    network.decoder.finest[-1] = torch.nn.Identity()  # flat where positive weights lead to
    for module in network.modules():
        if isinstance(module, torch.nn.Sequential) and isinstance(module[-1], torch.nn.MaxPool2d):
            module[-1] = torch.nn.AvgPool2d(2)  # passes a gradient to all four
    stride = network.footprint.stride_px
    middle = (network.footprint.halo_px // stride + 1) * stride
    shape = [1, 1, stride, stride]
    shape[axis] = 2 * middle + stride
    image = torch.rand(shape, dtype=torch.float64).requires_grad_()
    restored = network(image)
    reaches = []
    for phase in range(stride):
        line = restored.select(axis, middle + phase).sum()
        (gradient,) = torch.autograd.grad(line, image, retain_graph=True)
        others = [dim for dim in range(4) if dim != axis]
        seen = torch.nonzero(gradient.sum(dim=others)).flatten()
        reaches += [middle + phase - int(seen[0]), int(seen[-1]) - middle - phase]
    assert max(reaches) == network.footprint.reach_px


@every_network
def test_deblurring_in_tiles_equals_the_whole_image(
    kind: type[DisentangledModel], settings: dict[str, object]
) -> None:
    network = build(kind, settings)
    network.set_focus_code(network.encode(images()).blur.detach())

    def deblur(tiles: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return network.deblur_image(torch.from_numpy(tiles)).numpy()

    pixels = np.random.default_rng(0).random((1, 131, 173, 1), dtype=np.float32)
    scale = IntensityScale(offset=0.0, gain=1.0)
    results = []
    for tile_px in (1024, 2 * network.footprint.halo_px + 64):
        plan = plan_tiles((131, 173), network.footprint, tile_px=tile_px)
        blocks = restore(ArraySource(pixels), deblur, plan, [scale])
        results.append((plan.n_tiles, assemble_blocks(blocks, plan.shape_yx)))
    assert results[0][0] == 1
    assert results[1][0] >= 4
    assert results[0][1].std() > 1e-3, "the network does nothing: no test"
    np.testing.assert_allclose(results[1][1], results[0][1], rtol=0, atol=1e-5)
