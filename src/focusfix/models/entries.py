"""The rows of the table of networks; :mod:`focusfix.models.registry` looks them up."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from focusfix.config import Ability

Family = Literal["restorer", "latent-line", "disentangled", "refocuser", "two-way"]
"""How a network is used: by itself, on two images of a field, with a blur code swapped in, told a
distance, or in either direction."""


@dataclass(frozen=True)
class ModelEntry:
    """One architecture with the objective it is trained for.

    Parameters
    ----------
    name : str
        What the user types after ``--model``.
    target : str
        Where the class is: ``"module:Class"``.
    objective : str
        What the network is taught, such as "multi-scale-l1"; decides about the lesson of
        ``focusfix train`` (:mod:`focusfix.training.lessons.table`).
    abilities : frozenset of {"deblur", "synthesize-blur", "interpolate"}
        Commands that can use it.
    inputs : int
        Images of one field that it takes at once.
    summary : str
        One line for ``focusfix models list``.
    reference : str
        Publication, or "focusfix" for networks of this project.
    tiny : mapping of str to object
        Hyperparameters of the smallest useful network, for tests of what holds for every network.
    family : {"restorer", "latent-line", "disentangled", "refocuser", "two-way"}
        What its class is (:mod:`focusfix.models.base`, :mod:`~focusfix.models.line_model`,
        :mod:`~focusfix.models.two_code_model`, :mod:`~focusfix.models.refocuser`,
        :mod:`~focusfix.models.two_way_model`), and so how a command uses it.
    """

    name: str
    target: str
    objective: str
    abilities: "frozenset[Ability]"
    inputs: int
    summary: str
    reference: str
    tiny: Mapping[str, object]
    family: Family = "restorer"


ENTRIES = (
    ModelEntry(
        name="care-unet",
        target="focusfix.models.care_unet:CareUNet",
        objective="multi-scale-l1",
        abilities=frozenset({"deblur"}),
        inputs=1,
        summary="The small U-Net of CARE and CSBDeep, which predicts what to add to the image",
        reference="Weigert et al., Nature Methods 2018",
        tiny=MappingProxyType({"base_width": 4, "kernel_px": 3}),
    ),
    ModelEntry(
        name="comi",
        target="focusfix.models.comi:Comi",
        objective="comi",
        abilities=frozenset({"deblur", "synthesize-blur"}),
        inputs=1,
        summary="Two adversarial networks, one of which deblurs and the other one blurs",
        reference="after Jiang, COMI (public code)",
        tiny=MappingProxyType({"base_width": 3, "blocks": 1}),
        family="two-way",
    ),
    ModelEntry(
        name="deepdeblur",
        target="focusfix.models.deepdeblur:DeepDeblur",
        objective="multi-scale-l1",
        abilities=frozenset({"deblur"}),
        inputs=1,
        summary="Chains of residual blocks at 3 scales, coarse to fine",
        reference="Nah et al., CVPR 2017",
        tiny=MappingProxyType({"scales": 2, "blocks": 1, "width": 4}),
    ),
    ModelEntry(
        name="latent-line",
        target="focusfix.models.latent_line:LatentLine",
        objective="line-direct",
        abilities=frozenset({"deblur", "synthesize-blur", "interpolate"}),
        inputs=1,
        summary="Content in focus, weighed by sharpness: a line of blur that keeps detail",
        reference="focusfix; idea of the line: Mazilu, Wang et al., CAIP 2023",
        tiny=MappingProxyType(
            {
                "widths": [4, 6],
                "blocks": 1,
                "rank": 2,
                "hidden": 6,
                "window_px": 12,
                "support_px": 6,
                "reading_hidden": 4,
            }
        ),
        family="latent-line",
    ),
    *(
        ModelEntry(
            name=f"linear-ae-{objective}",
            target="focusfix.models.linear_autoencoder:LinearAutoencoder",
            objective=f"line-{objective}",
            abilities=frozenset({"deblur", "synthesize-blur", "interpolate"}),
            inputs=2,
            summary=f"Autoencoder whose code moves on a line as blur changes: {summary}",
            reference="Mazilu, Wang et al., CAIP 2023",
            tiny=MappingProxyType({"widths": [4, 6]}),
            family="latent-line",
        )
        for objective, summary in (
            ("baseline", "taught to reconstruct only"),
            ("indirect", "taught to synthesise the blur between"),
            ("direct", "taught that codes lie on the line"),
        )
    ),
    *(
        ModelEntry(
            name=name,
            target=f"focusfix.models.{target}",
            objective=objective,
            abilities=frozenset({"deblur", "synthesize-blur", "interpolate"}),
            inputs=1,
            summary=summary,
            reference=reference,
            tiny=MappingProxyType({"widths": [3, 4, 5]}),
            family="disentangled",
        )
        for name, target, objective, summary, reference in (
            (
                "manifold",
                "manifold:ManifoldAutoencoder",
                "manifold",
                "One code for what is seen, one for its blur, told apart by swapping them",
                "Ritsema, thesis; Fumero et al., ICML 2021",
            ),
            (
                "manifold-1d",
                "manifold_line:ManifoldLineAutoencoder",
                "manifold",
                "Like manifold, with one number for the blur, which tells the distance from focus",
                "Ritsema, thesis",
            ),
            (
                "ml-vae",
                "ml_vae:MultiLevelVAE",
                "ml-vae",
                "Variational autoencoder whose identity code all planes of a field share",
                "Bouchacourt et al., AAAI 2018; Ritsema, thesis",
            ),
        )
    ),
    ModelEntry(
        name="multilevel-unet",
        target="focusfix.models.multilevel_unet:MultiLevelUNet",
        objective="multi-scale-l1",
        abilities=frozenset({"deblur"}),
        inputs=1,
        summary="U-Nets at 1 to 4 scales, coarse to fine, each handing its features to the next",
        reference="Wang and Han, arXiv:2201.02876",
        tiny=MappingProxyType({"levels": 2, "base_width": 4}),
    ),
    ModelEntry(
        name="rdn",
        target="focusfix.models.rdn:ResidualDenseNetwork",
        objective="multi-scale-l1",
        abilities=frozenset({"deblur"}),
        inputs=1,
        summary="Residual dense network: every convolution of a block sees all before it",
        reference="Zhang et al., CVPR 2018; for micrographs Zhao et al.",
        tiny=MappingProxyType({"blocks": 2, "layers": 2, "growth": 3, "width": 4}),
    ),
    ModelEntry(
        name="refocus",
        target="focusfix.models.refocus:RefocusNet",
        objective="refocus",
        abilities=frozenset({"deblur", "synthesize-blur", "interpolate"}),
        inputs=1,
        summary="U-Net that turns a plane into the one at a given distance",
        reference="after Wu et al., Nature Methods 2019; the distance enters otherwise",
        tiny=MappingProxyType({"depth": 1, "base_width": 3, "code_width": 4}),
        family="refocuser",
    ),
    ModelEntry(
        name="refocus-multi",
        target="focusfix.models.refocus_multi:RefocusMultiNet",
        objective="refocus-multi",
        abilities=frozenset({"deblur", "synthesize-blur", "interpolate"}),
        inputs=1,
        summary="U-Net that makes a plane from one to three others, in any order",
        reference="after Huang et al., Light: Science and Applications 2021",
        tiny=MappingProxyType({"depth": 1, "base_width": 3, "code_width": 4}),
        family="refocuser",
    ),
    ModelEntry(
        name="wiener-unet",
        target="focusfix.models.wiener_unet:WienerUNet",
        objective="tempered-error",
        abilities=frozenset({"deblur"}),
        inputs=1,
        summary="A filter chosen by the local power spectrum, completed by a U-Net",
        reference="focusfix",
        tiny=MappingProxyType(
            {
                "widths": [4, 6],
                "blocks": 1,
                "rank": 2,
                "hidden": 6,
                "window_px": 12,
                "support_px": 6,
            }
        ),
    ),
)
"""Every network."""
