"""The network that tells refocused planes from recorded ones, for the training of refocusers."""

from torch import Tensor, nn

from focusfix.models.base import check_integer

_BLOCKS = 6
_LEAK = 0.1
_WIDEST = 256


class RefocusCritic(nn.Module):
    """Judge planes: near 1 for recorded ones, near 0 for made ones.

    Six blocks of two 3x3 convolutions, the second of which halves, with leaky ReLU; then the mean
    over the image and two dense layers. The width doubles from block to block.

    Parameters
    ----------
    base_width : int
        Channels of the first block; 1 to 256. Deep-Z is reported to have 48.

    Raises
    ------
    ValueError
        If the width is out of range.
    """

    def __init__(self, base_width: int = 16) -> None:
        super().__init__()
        check_integer("base_width", base_width, _WIDEST)
        layers: list[nn.Module] = []
        before = 1
        for block in range(_BLOCKS):
            width = base_width * 2**block
            layers += [nn.Conv2d(before, width, 3, padding=1), nn.LeakyReLU(_LEAK)]
            layers += [nn.Conv2d(width, width, 3, stride=2, padding=1), nn.LeakyReLU(_LEAK)]
            before = width
        self.features = nn.Sequential(*layers)
        self.head = nn.Sequential(
            nn.Linear(before, before), nn.LeakyReLU(_LEAK), nn.Linear(before, 1), nn.Sigmoid()
        )

    def forward(self, image: Tensor) -> Tensor:
        """Judge images (N, 1, Y, X); returns (N,) between 0 and 1."""
        judged: Tensor = self.head(self.features(image).mean(dim=(-2, -1)))
        return judged.flatten()
