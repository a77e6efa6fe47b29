r"""Refocusing: from one plane and a distance to the plane at that distance.

A U-Net with residual blocks on the way down,

.. math:: f_{k+1} = [f_k, 0] + c_k(f_k, d), \qquad y = x + U(x, d),

in whose every block :math:`c_k` the distance :math:`d` changes the features
(:mod:`focusfix.models.modulation`). Widths, halvings and blocks are those reported for Deep-Z. The
way in which the distance enters is not: there it is a second channel beside the image, a mechanism
that is the subject of the patent application WO2020139835A1 and is left out here.

One plane does not tell on which side of the focus it lies, as far as the blur is symmetric. The
sign of a distance along the stage has a meaning for images like those of the training only;
distances can be counted from focus instead.

References
----------
Wu et al., "Three-dimensional virtual refocusing of fluorescence microscopy images using deep
learning", Nature Methods 16, 2019 (the task and the U-Net).
Perez et al., "FiLM: visual reasoning with a general conditioning layer", AAAI 2018.
"""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from focusfix.models.base import check_choice, check_image, cut_margin
from focusfix.models.decoder_margins import decoder_margins
from focusfix.models.distance_unet import DistanceUNet, double
from focusfix.models.modulation import (
    DistanceCode,
    ModulatedConvolutions,
    distance_map,
    halve,
    is_flat,
)


class RefocusNet(DistanceUNet):
    """Predict an image at another distance.

    Parameters
    ----------
    depth : int
        Halvings; 1 to 6.
    base_width : int
        Feature channels at full size, doubled at each halving; 1 to 256.
    code_width : int
        Features that describe the distance; 1 to 512.
    range_um : float
        Largest distance that it is meant for; micrometres, above 0.
    sign : {"stage", "focus"}
        What positive distances mean: higher z-levels, or away from focus. With "focus" planes are
        taught as if all of them lay above focus, so that the sign never has to be guessed.

    Raises
    ------
    ValueError
        If a hyperparameter is out of range.
    """

    def __init__(
        self,
        *,
        depth: int = 4,
        base_width: int = 48,
        code_width: int = 64,
        range_um: float = 10.0,
        sign: Literal["stage", "focus"] = "stage",
    ) -> None:
        super().__init__(
            {
                "depth": depth,
                "base_width": base_width,
                "code_width": code_width,
                "range_um": range_um,
                "sign": sign,
            }
        )
        check_choice("sign", sign, ("stage", "focus"))
        self.sign = sign
        widths = self.widths
        self.code = DistanceCode(code_width, self.range_um)
        self.encoder = nn.ModuleList(
            ModulatedConvolutions(before, max((before + after) // 2, 1), after, code_width)
            for before, after in zip([1, *widths[:-1]], widths, strict=True)
        )
        self.decoder = nn.ModuleList(
            ModulatedConvolutions(3 * width, (3 * width + 1) // 2, width, code_width)
            for width in widths[:-1]
        )
        self.head = nn.Conv2d(base_width, 1, 3, padding=1)

    def refocus(self, image: Tensor, dz_um: float | Tensor) -> Tensor:
        """Predict the images at other distances.

        Parameters
        ----------
        image : Tensor, shape (N, 1, Y, X)
            Recorded planes, scaled to a nominal [0, 1]; Y and X are multiples of the stride.
        dz_um : float or Tensor, shape (N,), (N, 1) or (N, 1, Y, X)
            From the recorded plane to the wanted one, or to each pixel of a wanted surface.

        Returns
        -------
        Tensor, shape (N, 1, Y, X)

        Raises
        ------
        ValueError
            If the number of channels, the size or the shape of the distances does not fit.
        """
        return self.refocus_core(image, dz_um, 0)

    def refocus_core(self, image: Tensor, dz_um: float | Tensor, margin_px: int) -> Tensor:
        """Refocus all but the margin, which the decoder leaves out early; see the base class."""
        check_image(image, channels=1, stride_px=2**self.depth)
        distances = distance_map(dz_um, image)
        codes, features, skips = [], image, []
        for level, block in enumerate(self.encoder):
            if level > 0:
                features, distances = F.max_pool2d(features, 2), halve(distances)
            codes.append(self.code(distances))
            found = block(features, codes[-1])
            features = found + _widen(features, found.shape[1])
            skips.append(features)
        margins = decoder_margins(margin_px, self.depth + 1, 2, result_radius=1, doubling_radius=1)
        features = cut_margin(skips.pop(), margins[-1].there - margins[-1].wanted)
        for level in range(self.depth - 1, -1, -1):
            there, seen_px, wanted = margins[level]
            larger = cut_margin(double(features), 2 * margins[level + 1].wanted - seen_px)
            joined = torch.cat([cut_margin(skips.pop(), there - seen_px), larger], dim=1)
            code = codes[level]
            code = code if is_flat(code) else cut_margin(code, there - seen_px)
            features = cut_margin(self.decoder[level](joined, code), seen_px - wanted)
        change = cut_margin(self.head(features), margins[0].wanted)
        return cut_margin(image, margin_px) + change


def _widen(features: Tensor, channels: int) -> Tensor:
    """Add channels of zeros."""
    return F.pad(features, (0, 0, 0, 0, 0, channels - features.shape[1]))
