r"""The multi-level U-Net: the same image restored at several sizes, coarse to fine.

Level 1 works at full size, level n at :math:`1/2^{n-1}` of it. Each level is a U-Net that sees its
image :math:`x_n` and the upsampled prediction of the coarser level, and that takes over features
of the coarser level's decoder ("head to tail"):

.. math:: y_n = U_n\big(x_n,\ \uparrow y_{n+1};\ D^{n+1}_0, D^{n+1}_1, \dots\big)

Encoder block :math:`E_i` and the coarser decoder block :math:`D_{i-1}` have the same size in
pixels. There is no shortcut from image to image: the output is the image itself. What the paper
leaves open is decided in ``docs/decisions/0005-multilevel-unet.md``.

References
----------
Wang and Han, "Defocus deblur microscopy via feature interactive coarse-to-fine network",
arXiv:2201.02876.
"""

from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from focusfix.footprint import Footprint
from focusfix.models.base import (
    Restorer,
    check_choice,
    check_image,
    check_integer,
)
from focusfix.models.reach import Span, farthest_reach, join
from focusfix.models.sub_network import Fusion, SubNetwork, trace_level

ImageLink = Literal["all", "not-finest"]
"""Which finer levels see the coarser prediction: every one, or all but the finest."""

_MOST = {"levels": 4, "base_width": 256, "in_channels": 64, "out_channels": 64}
_FINEST_RESOLUTIONS = 5


def _resolutions(level: int) -> int:
    """Return the number of sizes inside the U-Net of one level: 5, 4, 3, 2 for levels 1 to 4."""
    return _FINEST_RESOLUTIONS + 1 - level


class MultiLevelUNet(Restorer):
    """Restore an image with one U-Net per level of an image pyramid.

    Parameters
    ----------
    levels : int
        Number of U-Nets, 1 to 4; one is a plain U-Net.
    fusion : {"residual", "concat"}
        Decoder features of the coarser level are added to the pooled input of the encoder block
        that has as many channels, or stacked onto the output of that block.
    image_link : {"all", "not-finest"}
        Whether level 1 sees the coarser prediction too, as in the paper's equation 3, or not,
        which is what the paper's parameter counts say.
    base_width : int
        Feature channels at the full size of each level, doubled at each halving; 1 to 256.
    in_channels, out_channels : int
        Channels of the input and of the restored image; 1 to 64.

    Raises
    ------
    ValueError
        If a hyperparameter is out of range.
    """

    def __init__(
        self,
        *,
        levels: int = 4,
        fusion: Fusion = "residual",
        image_link: ImageLink = "all",
        base_width: int = 16,
        in_channels: int = 1,
        out_channels: int = 1,
    ) -> None:
        super().__init__()
        self.hyperparameters = {
            "levels": levels,
            "fusion": fusion,
            "image_link": image_link,
            "base_width": base_width,
            "in_channels": in_channels,
            "out_channels": out_channels,
        }
        for name, most in _MOST.items():
            check_integer(name, self.hyperparameters[name], most)
        check_choice("fusion", fusion, get_args(Fusion))
        check_choice("image_link", image_link, get_args(ImageLink))
        self.levels, self.fusion, self.in_channels = levels, fusion, in_channels
        self.finest_linked = image_link == "all"
        self.subnetworks = nn.ModuleList(
            SubNetwork(
                in_channels=in_channels + (out_channels if self._sees_prediction(level) else 0),
                out_channels=out_channels,
                widths=[base_width * 2**index for index in range(_resolutions(level))],
                links=_resolutions(level + 1) - 1 if level < levels else 0,
                fusion=fusion,
            )
            for level in range(1, levels + 1)
        )

    def _sees_prediction(self, level: int) -> bool:
        """Say whether a level takes the upsampled prediction of the next coarser one."""
        return level < self.levels and (level > 1 or self.finest_linked)

    @property
    def footprint(self) -> Footprint:
        r"""Reach and stride, traced back through all levels.

        Every level meets at the same bottleneck grid, so the stride is
        :math:`s = 2^{n-1} \cdot 2^{5-n} = 16`. One convolution block of two 3x3 kernels widens
        what is needed by 2 pixels of its own grid; pooling, transposed convolution and bilinear
        doubling map a needed interval :math:`[a, b]` to :math:`[2a, 2b+1]`,
        :math:`[\lfloor a/2 \rfloor, \lfloor b/2 \rfloor]` and
        :math:`[\lfloor (a-1)/2 \rfloor, \lfloor (b+1)/2 \rfloor]`. For one level this gives
        :math:`\text{reach} = 2 (1 + 2 + 4 + 8)` on the way up, :math:`2 \cdot 16` at the
        bottom, the same again on the way down, and the snapping to the grid.
        """
        stride = 2 ** (_FINEST_RESOLUTIONS - 1)
        return Footprint(reach_px=farthest_reach(self._input_span, stride), stride_px=stride)

    def forward(self, image: Tensor) -> Tensor:
        """Restore a batch of images.

        Parameters
        ----------
        image : Tensor, shape (N, in_channels, Y, X)
            Intensities scaled to a nominal [0, 1]; Y and X are multiples of 16.

        Returns
        -------
        Tensor, shape (N, out_channels, Y, X)

        Raises
        ------
        ValueError
            If the number of channels or the size does not fit.
        """
        return self.training_outputs(image)[0]

    def training_outputs(self, image: Tensor) -> list[Tensor]:
        """Restore a batch of images at every level.

        Parameters
        ----------
        image : Tensor, shape (N, in_channels, Y, X)
            As for :meth:`forward`.

        Returns
        -------
        list of Tensor, shapes (N, out_channels, Y / 2^(n-1), X / 2^(n-1))
            Predictions of levels n = 1, 2, ...: finest first.
        """
        return self._predict(image, 0)

    def restore_core(self, image: Tensor, margin_px: int) -> Tensor:
        """Restore all but the margin, which the decoder of level 1 leaves out early."""
        return self._predict(image, margin_px)[0]

    def _predict(self, image: Tensor, margin_px: int) -> list[Tensor]:
        check_image(image, channels=self.in_channels, stride_px=2 ** (_FINEST_RESOLUTIONS - 1))
        pyramid = [image]
        for _ in range(1, self.levels):
            pyramid.append(F.avg_pool2d(pyramid[-1], 2))
        outputs: list[Tensor] = []
        decoded: list[Tensor] = []
        for level in range(self.levels, 0, -1):
            seen = pyramid[level - 1]
            if self._sees_prediction(level):
                coarser = F.interpolate(
                    outputs[0], scale_factor=2.0, mode="bilinear", align_corners=False
                )
                seen = torch.cat([seen, coarser], dim=1)
            margin = margin_px if level == 1 else 0
            prediction, decoded = self.subnetworks[level - 1](seen, decoded, margin)
            outputs.insert(0, prediction)
        return outputs

    def _input_span(self, output: Span) -> Span:
        """Trace a stretch of the finest prediction back to the full-size image."""
        image: Span | None = None
        prediction: Span | None = output
        decoded: dict[int, Span] = {}
        for level in range(1, self.levels + 1):
            blocks, fused = trace_level(_resolutions(level), prediction, decoded)
            seen = blocks[0]
            prediction = seen.before_bilinear_doubling() if self._sees_prediction(level) else None
            wanted = blocks if self.fusion == "residual" else fused
            decoded = {index - 1: wanted[index] for index in range(1, _resolutions(level) - 1)}
            for _ in range(1, level):
                seen = seen.before_pooling()
            image = join(image, seen)
        return join(image)
