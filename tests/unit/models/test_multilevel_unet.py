import pytest
import torch
from torch.nn import functional as F

from focusfix.models.multilevel_unet import MultiLevelUNet

FORMS = [
    (1, "residual", "all"),
    (2, "residual", "all"),
    (2, "concat", "all"),
    (2, "residual", "not-finest"),
    (3, "concat", "not-finest"),
    (4, "residual", "all"),
]


def test_predictions_of_all_levels_finest_first() -> None:
    network = MultiLevelUNet(levels=4, base_width=2).eval()
    with torch.inference_mode():
        outputs = network.training_outputs(torch.rand(1, 1, 272, 352))
    assert [tuple(output.shape) for output in outputs] == [
        (1, 1, 272, 352),
        (1, 1, 136, 176),
        (1, 1, 68, 88),
        (1, 1, 34, 44),
    ]


def test_forward_is_the_finest_prediction() -> None:
    network = MultiLevelUNet(levels=3, base_width=2).eval()
    image = torch.rand(1, 1, 32, 48)
    with torch.inference_mode():
        assert torch.equal(network(image), network.training_outputs(image)[0])


def test_channels() -> None:
    network = MultiLevelUNet(levels=2, base_width=2, in_channels=3, out_channels=2).eval()
    with torch.inference_mode():
        assert network(torch.rand(2, 3, 16, 32)).shape == (2, 2, 16, 32)


def test_all_bottlenecks_meet_on_one_grid() -> None:
    network = MultiLevelUNet(levels=4, base_width=2).eval()
    sizes = []
    for sub in network.subnetworks:
        sub.encoder[-1].register_forward_hook(lambda _m, _i, out: sizes.append(tuple(out.shape)))
    with torch.inference_mode():
        network(torch.rand(1, 1, 272, 352))
    assert {size[2:] for size in sizes} == {(17, 22)}


def test_batch_norm_in_the_encoder_only() -> None:
    network = MultiLevelUNet(levels=2, base_width=2)
    normalised = {
        name.split(".")[2]
        for name, module in network.named_modules()
        if isinstance(module, torch.nn.BatchNorm2d)
    }
    assert normalised == {"encoder"}


@pytest.mark.parametrize("fusion", ["residual", "concat"])
@pytest.mark.parametrize("image_link", ["all", "not-finest"])
def test_every_weight_takes_part(fusion: str, image_link: str) -> None:
    torch.manual_seed(0)
    network = MultiLevelUNet(levels=4, base_width=2, fusion=fusion, image_link=image_link)
    outputs = network.training_outputs(torch.rand(2, 1, 32, 32))
    sum(output.sum() for output in outputs).backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


@pytest.mark.parametrize(
    ("image_link", "weight_channels"), [("all", [2, 2, 1]), ("not-finest", [1, 2, 1])]
)
def test_image_link_says_who_sees_the_coarser_prediction(
    image_link: str, weight_channels: list[int]
) -> None:
    network = MultiLevelUNet(levels=3, base_width=2, image_link=image_link)
    assert [sub.encoder[0][0].in_channels for sub in network.subnetworks] == weight_channels


def test_residual_fusion_adds_to_the_pooled_input() -> None:
    network = MultiLevelUNet(levels=2, base_width=2).eval()
    coarse, fine = network.subnetworks[1], network.subnetworks[0]
    inputs = []
    fine.encoder[1].register_forward_hook(lambda _m, args, _o: inputs.append(args[0]))
    first = []
    fine.encoder[0].register_forward_hook(lambda _m, _a, out: first.append(out))
    image = torch.rand(1, 1, 32, 32)
    with torch.inference_mode():
        network(image)
        _, decoded = coarse(F.avg_pool2d(image, 2), [])
        torch.testing.assert_close(inputs[0], F.max_pool2d(first[0], 2) + decoded[0])


@pytest.mark.parametrize("size", [(17, 32), (16, 24), (0, 16), (8, 8)])
def test_refuses_sizes_off_the_grid(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="multiples of 16 px"):
        MultiLevelUNet(levels=1, base_width=1)(torch.rand(1, 1, *size))


@pytest.mark.parametrize("shape", [(1, 16, 16), (1, 2, 16, 16)])
def test_refuses_other_channels(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"expected shape \(N, 1, Y, X\)"):
        MultiLevelUNet(levels=1, base_width=1)(torch.rand(shape))


@pytest.mark.parametrize(
    "wrong",
    [
        {"levels": 0},
        {"levels": 5},
        {"levels": 2.0},
        {"levels": True},
        {"levels": "2"},
        {"base_width": 0},
        {"base_width": 100_000},
        {"in_channels": 0},
        {"out_channels": -1},
        {"fusion": "sum"},
        {"image_link": "none"},
    ],
    ids=str,
)
def test_refuses_hyperparameters(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        MultiLevelUNet(**wrong)


@pytest.mark.parametrize(("levels", "reach_px"), [(1, 107), (2, 201), (3, 293), (4, 365)])
def test_footprint(levels: int, reach_px: int) -> None:
    footprint = MultiLevelUNet(levels=levels, base_width=1).footprint
    assert (footprint.reach_px, footprint.stride_px, footprint.exact) == (reach_px, 16, True)


@pytest.mark.parametrize(("levels", "fusion", "image_link"), FORMS)
def test_reach_is_exact(levels: int, fusion: str, image_link: str) -> None:
    """The outermost pixel of the traced span has a gradient, and the next one has none."""
    torch.manual_seed(0)
    network = MultiLevelUNet(levels=levels, fusion=fusion, image_link=image_link, base_width=1)
    for parameter in network.parameters():
        torch.nn.init.uniform_(parameter, 0.1, 0.5)
    network = network.double().eval().requires_grad_(requires_grad=False)
    reach = network.footprint.reach_px
    middle = (reach // 16 + 2) * 16
    # Max-pooling passes its gradient to the brightest pixel: let brightness grow outwards.
    ramp = (torch.arange(2 * middle + 16, dtype=torch.float64) - middle).abs() / middle
    image = ramp.expand(1, 1, 16, -1).clone().requires_grad_()
    restored = network(image)
    reaches = []
    for phase in range(16):
        (gradient,) = torch.autograd.grad(
            restored[..., middle + phase].sum(), image, retain_graph=True
        )
        seen = torch.nonzero(gradient.abs().sum(dim=(0, 1, 2))).flatten()
        reaches += [middle + phase - int(seen[0]), int(seen[-1]) - middle - phase]
    assert max(reaches) == reach
