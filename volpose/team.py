"""One process of many: what processes that train one network have to agree on."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor, nn

if TYPE_CHECKING:
    from accelerate import Accelerator


@dataclass(frozen=True)
class Team:
    """The processes that train together; alone, there is one.

    Every process holds the whole network and a share of each batch. They meet twice a step: batch
    norms take the statistics of the whole batch, and gradients are averaged.

    Args:
        rank: number of this process.
        size: number of processes.
        device: of this process.
        accelerator: what connects them.
    """

    rank: int = 0
    size: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    accelerator: Accelerator | None = None

    @classmethod
    def join(cls, device: str | torch.device = "cpu") -> Team:
        """The team that ``torchrun`` or ``accelerate launch`` started, or a team of one.

        Args:
            device: "cpu", or "cuda" for one GPU a process.
        """
        device = torch.device(device)
        if int(os.environ.get("WORLD_SIZE", "1")) == 1:
            return cls(device=device)
        from accelerate import Accelerator

        team = Accelerator(cpu=device.type == "cpu")
        return cls(team.process_index, team.num_processes, team.device, team)

    @property
    def leads(self) -> bool:
        """Whether this process writes the files."""
        return self.rank == 0

    def check_batch(self, batch_size: int) -> None:
        """Refuse a batch that the processes cannot share evenly.

        Raises:
            ValueError: its size is not a multiple of their number.
        """
        if batch_size % self.size:
            raise ValueError(
                f"batch_size must be a multiple of the number of processes ({self.size}), "
                f"got {batch_size}"
            )

    def mean(self, tensor: Tensor) -> Tensor:
        """The mean over the processes, in every one of them; not differentiable."""
        if self.accelerator is None:
            return tensor
        return self.accelerator.reduce(tensor.detach().clone(), "mean")

    def any(self, asked: bool) -> bool:
        """Whether it is true in any process."""
        return bool(self.mean(torch.tensor(float(asked), device=self.device)) > 0)

    def wait(self) -> None:
        """Until all processes are here."""
        if self.accelerator is not None:
            self.accelerator.wait_for_everyone()

    def share_batch_norm(self, model: nn.Module) -> nn.Module:
        """Let every batch norm of a network see the whole batch."""
        if self.size == 1:
            return model
        if next(model.parameters()).device.type == "cuda":
            return nn.SyncBatchNorm.convert_sync_batchnorm(model)
        for module in model.modules():
            if type(module) is nn.BatchNorm2d:
                module.__class__ = SharedBatchNorm
        return model


class SharedBatchNorm(nn.BatchNorm2d):
    """Batch norm over the batches of all processes, on CPUs; PyTorch's own is for GPUs only."""

    def forward(self, x: Float[Tensor, "batch channels height width"]) -> Tensor:
        """In training, normalize with mean and variance over all processes."""
        if not self.training:
            return super().forward(x)
        wide = x.float()
        moments = torch.stack([wide.mean((0, 2, 3)), wide.square().mean((0, 2, 3))])
        mean, square = _Sum.apply(moments) / torch.distributed.get_world_size()
        variance = (square - mean.square()).clamp(min=0)
        count = x.numel() // x.shape[1] * torch.distributed.get_world_size()
        with torch.no_grad():
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * count / (count - 1), self.momentum)
        scale = self.weight * torch.rsqrt(variance + self.eps)
        shift = self.bias - mean * scale
        return (wide * scale[:, None, None] + shift[:, None, None]).to(x.dtype)


class _Sum(torch.autograd.Function):
    """The sum over all processes; so is its gradient, since all their losses depend on it."""

    @staticmethod
    def forward(ctx, tensor):
        total = tensor.clone()
        torch.distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx, incoming):
        total = incoming.clone()
        torch.distributed.all_reduce(total)
        return total
