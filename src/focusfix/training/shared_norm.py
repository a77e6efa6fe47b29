"""Batch norm over the batches of all processes of a run, as if they were one batch."""

from typing import Any

import torch
from torch import Tensor, distributed, nn

from focusfix.training.team import exchange


class SharedBatchNorm(nn.BatchNorm2d):
    """Batch norm whose means and variances, in training, are those of all processes together.

    Evaluation is that of :class:`torch.nn.BatchNorm2d`, of which it has the parameters, the
    buffers and their names. Unlike :class:`torch.nn.SyncBatchNorm`, it works on the CPU, too.
    """

    def forward(self, image: Tensor) -> Tensor:
        """Normalise.

        Parameters
        ----------
        image : Tensor, shape (N, C, Y, X)
            Features; as many in every process.

        Returns
        -------
        Tensor, shape (N, C, Y, X)
        """
        if not self.training:
            return super().forward(image)
        features = image.float()
        size = distributed.get_world_size()
        mean = _add_up(features.mean((0, 2, 3))) / size
        centred = features - mean[:, None, None]
        variance = _add_up(centred.square().mean((0, 2, 3))) / size
        self._remember(mean.detach(), variance.detach(), size * features.numel() // len(mean))
        scale = torch.rsqrt(variance + self.eps) * self.weight
        normal: Tensor = centred * scale[:, None, None] + self.bias[:, None, None]
        return normal.to(image.dtype)

    def _remember(self, mean: Tensor, variance: Tensor, count: int) -> None:
        """Move the running figures, as :class:`torch.nn.BatchNorm2d` does."""
        if self.running_mean is None or self.running_var is None:
            return
        share = self.momentum
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            share = share if share is not None else 1 / float(self.num_batches_tracked)
        assert share is not None
        self.running_mean.lerp_(mean, share)
        self.running_var.lerp_(variance * count / max(count - 1, 1), share)


def share_batch_norm(network: nn.Module) -> None:
    """Let all batch norms of a network see the batches of all processes.

    Parameters
    ----------
    network : nn.Module
        Changed in place; the names of its state stay as they are.
    """
    for name, child in network.named_children():
        if type(child) is nn.BatchNorm2d:
            shared = SharedBatchNorm(child.num_features, child.eps, child.momentum, child.affine)
            shared.track_running_stats = child.track_running_stats
            shared.weight, shared.bias = child.weight, child.bias
            for buffer in ("running_mean", "running_var", "num_batches_tracked"):
                setattr(shared, buffer, getattr(child, buffer))
            setattr(network, name, shared.train(child.training))
        else:
            share_batch_norm(child)


class _SumOfAll(torch.autograd.Function):
    """The sum over all processes, of which every process has the gradient of all."""

    @staticmethod
    def forward(context: Any, values: Tensor) -> Tensor:  # noqa: ARG004 - as torch calls it
        total = values.clone()
        exchange(total)
        return total

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:  # noqa: ARG004
        total = gradient.clone()
        exchange(total)
        return total


def _add_up(values: Tensor) -> Tensor:
    total: Tensor = _SumOfAll.apply(values)  # type: ignore[no-untyped-call]
    return total
