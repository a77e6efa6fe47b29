r"""What classifiers can read from codes: the ML-VAE score.

A classifier is trained to name the field that codes come from. If the two codes of a model are
disentangled, it succeeds on identity codes and is left guessing on blur codes:

.. math:: s = a(\text{identity}) - a(\text{blur})

with accuracies a on codes that were kept from the classifier: some z-levels of every field. A
network of two hidden layers can memorise long codes, so a linear classifier is asked as well.

References
----------
Bouchacourt et al., "Multi-level variational autoencoder", AAAI 2018; Ritsema, MSc thesis,
section 5.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor, nn

Probe = Literal["linear", "mlp"]
"""Kinds of classifier."""

_RIDGE = 1.0
_HIDDEN, _LEAK, _RATE, _BATCH = 256, 0.2, 1e-4, 128


class HeldOut(NamedTuple):
    """Which rows classifiers learn from, and which they are asked about.

    Parameters
    ----------
    train, test : ndarray of bool, shape (N,)
        Each row is in one of them.
    """

    train: NDArray[np.bool_]
    test: NDArray[np.bool_]


@dataclass(frozen=True)
class ProbeScore:
    """Accuracies of one kind of classifier.

    Parameters
    ----------
    identity, blur : float
        Share of the kept codes whose field was named, 0 to 1, from either code.
    chance : float
        What guessing reaches: one over the number of fields.
    """

    identity: float
    blur: float
    chance: float

    @property
    def ml_vae_score(self) -> float:
        """Accuracy from identity codes less that from blur codes; -1 to 1."""
        return self.identity - self.blur


def hold_out_levels(
    identities: Sequence[int], *, test_share: float = 0.2, seed: int = 0
) -> HeldOut:
    """Keep some levels of every identity from the classifiers.

    Parameters
    ----------
    identities : sequence of int
        Identity of each row; every one has two rows or more, one for each level.
    test_share : float
        Share of the rows of each identity, 0 to 1; rounded, one at least, not all.
    seed : int
        Of the draw.

    Returns
    -------
    HeldOut

    Raises
    ------
    ValueError
        If an identity has one row only.
    """
    names = np.asarray(identities)
    rng = np.random.default_rng(seed)
    test = np.zeros(len(names), dtype=np.bool_)
    for name in np.unique(names):
        rows = np.flatnonzero(names == name)
        if len(rows) < 2:
            raise ValueError(f"identity {name} has one level only; none can be kept for the test")
        count = min(max(1, round(test_share * len(rows))), len(rows) - 1)
        test[rng.choice(rows, count, replace=False)] = True
    return HeldOut(~test, test)


def probe_accuracy(
    codes: NDArray[np.floating],
    identities: Sequence[int],
    held_out: HeldOut,
    *,
    kind: Probe,
    epochs: int = 300,
    seed: int = 0,
) -> float:
    """Train a classifier on some codes and return its accuracy on the others.

    Parameters
    ----------
    codes : ndarray, shape (N, elements)
        One row each; elements are standardised by the rows that are learned from.
    identities : sequence of int
        What is to be named.
    held_out : HeldOut
        Which rows to learn from, and which to ask about.
    kind : {"linear", "mlp"}
        Least squares with a ridge of 1, or two hidden layers of 256 with batch norm and leaky ReLU
        of slope 0.2, trained by Adam (1e-4) in batches of 128 on cross-entropy.
    epochs : int
        Passes of the network over the codes; the linear classifier needs none.
    seed : int
        Of the network's first weights and the order of the codes.

    Returns
    -------
    float
        0 to 1.

    Raises
    ------
    ValueError
        If the rows do not match, or there are fewer than two identities.
    """
    names, labels = np.unique(np.asarray(identities), return_inverse=True)
    if len(codes) != len(labels) or len(names) < 2:
        msg = f"expected codes of two identities or more, got {len(codes)} for {len(labels)} rows"
        raise ValueError(msg)
    learned = codes[held_out.train].astype(np.float64)
    mean, spread = learned.mean(axis=0), learned.std(axis=0)
    spread = np.where(spread > 0, spread, 1)
    rows = ((codes - mean) / spread).astype(np.float32)
    train, test = rows[held_out.train], rows[held_out.test]
    if kind == "linear":
        guesses = _guess_linearly(train, labels[held_out.train], test)
    else:
        guesses = _guess_by_network(train, labels[held_out.train], test, epochs=epochs, seed=seed)
    return float(np.mean(guesses == labels[held_out.test]))


def probe_codes(
    identity_codes: NDArray[np.floating],
    blur_codes: NDArray[np.floating],
    identities: Sequence[int],
    *,
    kind: Probe,
    epochs: int = 300,
    seed: int = 0,
) -> ProbeScore:
    """Measure what tells the field: the identity codes, or the blur codes, too.

    Parameters
    ----------
    identity_codes, blur_codes : ndarray, shape (N, elements)
        Both codes of N images.
    identities : sequence of int
        Field of each image; every one at two levels or more, a fifth of which are kept for the
        test.
    kind, epochs, seed
        As for :func:`probe_accuracy`.

    Returns
    -------
    ProbeScore

    Raises
    ------
    ValueError
        As :func:`hold_out_levels` and :func:`probe_accuracy`.
    """
    held_out = hold_out_levels(identities, seed=seed)
    identity, blur = (
        probe_accuracy(codes, identities, held_out, kind=kind, epochs=epochs, seed=seed)
        for codes in (identity_codes, blur_codes)
    )
    return ProbeScore(identity, blur, 1 / len(set(identities)))


def _guess_linearly(
    train: NDArray[np.float32], labels: NDArray[np.intp], test: NDArray[np.float32]
) -> NDArray[np.intp]:
    from sklearn.linear_model import RidgeClassifier

    return np.asarray(RidgeClassifier(alpha=_RIDGE).fit(train, labels).predict(test))


def _guess_by_network(
    train: NDArray[np.float32],
    labels: NDArray[np.intp],
    test: NDArray[np.float32],
    *,
    epochs: int,
    seed: int,
) -> NDArray[np.intp]:
    import torch
    from torch import nn

    inputs, targets = torch.from_numpy(train), torch.from_numpy(labels)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = _build_network(train.shape[1], int(labels.max()) + 1)
        optimiser = torch.optim.Adam(network.parameters(), lr=_RATE)
        for _ in range(epochs):
            for rows in _batches(torch.randperm(len(inputs))):
                optimiser.zero_grad()
                loss = nn.functional.cross_entropy(network(inputs[rows]), targets[rows])
                torch.autograd.backward(loss)
                optimiser.step()
    network.eval()
    with torch.inference_mode():
        return np.asarray(network(torch.from_numpy(test)).argmax(dim=1).numpy())


def _build_network(elements: int, classes: int) -> "nn.Sequential":
    from torch import nn

    layers: list[nn.Module] = []
    for before in (elements, _HIDDEN):
        layers += [nn.Linear(before, _HIDDEN), nn.BatchNorm1d(_HIDDEN), nn.LeakyReLU(_LEAK)]
    return nn.Sequential(*layers, nn.Linear(_HIDDEN, classes))


def _batches(order: "Tensor") -> "list[Tensor]":
    """Cut an order into batches; a last one of a single row joins the one before."""
    import torch

    batches = list(torch.split(order, _BATCH))
    if len(batches) > 1 and len(batches[-1]) == 1:
        batches[-2:] = [order[-_BATCH - 1 :]]
    return batches
