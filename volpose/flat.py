"""All weights of a network in one vector, with the network's own tensors as views of it."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn


class FlatWeights:
    """A network's weights as one fp32 vector, and its running statistics as another.

    An optimizer then takes one step instead of one for each of hundreds of small tensors; so do a
    running average, a sum over processes and a checkpoint. In bf16 the convolutions work on a copy
    of the vector that is refreshed once a step, where autocast would cast every weight on its own.

    Args:
        model: the network, on its device; from now on it computes with this vector.
        half: convolve in bf16; batch norm and fully connected layers keep fp32.

    Attributes:
        values: (N,) fp32, what an optimizer changes; call `refresh` afterwards.
        statistics: (M,) fp32, running means and variances of all batch norms.
    """

    def __init__(self, model: nn.Module, half: bool) -> None:
        self.model = model
        weights = list(model.parameters())
        convolutions = [m for m in model.modules() if isinstance(m, nn.Conv2d)] if half else []
        narrow = {id(p) for m in convolutions for p in m.parameters()}
        self.values = nn.Parameter(_joined(weights))
        self.copy = self.values.detach().to(torch.bfloat16) if half else None
        for weight, segment in zip(weights, self._split(self.values.detach()), strict=True):
            weight.data = segment
        if half:
            for weight, segment in zip(weights, self._split(self.copy), strict=True):
                if id(weight) in narrow:
                    weight.data = segment
        norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
        buffers = [b for m in norms for b in (m.running_mean, m.running_var)]
        self.statistics = _joined(buffers) if buffers else self.values.new_zeros(0)
        for buffer, part in zip(buffers, _parts(self.statistics, buffers), strict=True):
            buffer.data = part

    def _split(self, vector: Tensor) -> list[Tensor]:
        return _parts(vector, list(self.model.parameters()))

    @torch.no_grad()
    def refresh(self) -> None:
        """Bring the network's bf16 copy up to date with ``values``."""
        if self.copy is not None:
            self.copy.copy_(self.values)

    def gradient(self) -> Float[Tensor, " weights"]:
        """The gradient of the last backward pass as one fp32 vector; the network's own is freed."""
        weights = list(self.model.parameters())
        found = [p.new_zeros(()) if p.grad is None else p.grad for p in weights]
        vector = torch.empty_like(self.values, requires_grad=False)
        torch._foreach_copy_(self._split(vector), found)
        for weight in weights:
            weight.grad = None
        return vector

    @torch.no_grad()
    def write_into(self, model: nn.Module, values: Tensor, statistics: Tensor) -> None:
        """Give another network of the same kind these weights and statistics.

        Args:
            model: in fp32.
            values, statistics: vectors like those of this object, such as their averages.
        """
        for weight, part in zip(model.parameters(), self._split(values), strict=True):
            weight.copy_(part)
        norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
        buffers = [b for m in norms for b in (m.running_mean, m.running_var)]
        for buffer, part in zip(buffers, _parts(statistics, buffers), strict=True):
            buffer.copy_(part)


def _joined(tensors: list[Tensor]) -> Tensor:
    """One fp32 vector; a kernel's numbers stand channels-last, the order it is used in."""
    rows = [t.detach() for t in tensors]
    rows = [t.permute(0, 2, 3, 1) if t.dim() == 4 else t for t in rows]
    return torch.cat([t.reshape(-1) for t in rows]).float()


def _parts(vector: Tensor, like: list[Tensor]) -> list[Tensor]:
    """Views of a vector that `_joined` made, each with the shape of one of the tensors."""
    parts = []
    for part, tensor in zip(vector.split([t.numel() for t in like]), like, strict=True):
        if tensor.dim() == 4:
            out, channels, height, width = tensor.shape
            parts.append(part.view(out, height, width, channels).permute(0, 3, 1, 2))
        else:
            parts.append(part.view(tensor.shape))
    return parts
