"""How a machine computes fastest: the number format of convolutions, and who keeps freed memory."""

import ctypes
import itertools
import platform

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

PRECISIONS = ("auto", "bf16", "fp32")


def has_fast_bf16(device: torch.device) -> bool:
    """Whether bf16 convolutions pay: on CPUs with AMX or AVX-512 BF16, and GPUs with bf16 units.

    Other CPUs emulate bf16 or gain nothing from it. `TrainConfig.precision` and ``--precision``
    overrule this check.
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    on_cpu = torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()
    return device.type == "cpu" and on_cpu


def resolve(precision: str, device: torch.device) -> str:
    """ "bf16" or "fp32"; "auto" asks `has_fast_bf16`."""
    if precision == "auto":
        return "bf16" if has_fast_bf16(device) else "fp32"
    return precision


def convolve_in_bf16(model: nn.Module) -> nn.Module:
    """Turn a network's convolutions to bf16, in place; batch norm and the rest stay fp32.

    Feed it bf16 images in channels-last order. For prediction; `volpose.flat.FlatWeights` does it
    for training. A batch norm that follows a convolution becomes part of it first, in fp32: what
    it multiplies and adds does not depend on the image any more. On a CPU the ReLU after it does
    too, and finds its numbers in the cache.
    """
    for module in list(model.eval().modules()):
        if isinstance(module, nn.Sequential):
            _fold_into_convolutions(module)
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            module.to(torch.bfloat16)
    return model.to(memory_format=torch.channels_last)


class _Rectified(nn.Module):
    """A convolution and max(0, x) in one call of oneDNN; `torch.compile` calls it the same way."""

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        self.convolution = convolution

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        c = self.convolution
        return torch.ops.mkldnn._convolution_pointwise(
            x, c.weight, c.bias, c.padding, c.stride, c.dilation, c.groups, "relu", [], ""
        )


def _rectifies_in_bf16() -> bool:
    """Whether oneDNN takes bf16 in that call; on older CPUs PyTorch's own convolution does."""
    return torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()


def _fold_into_convolutions(layers: nn.Sequential) -> None:
    for i, (layer, norm) in enumerate(itertools.pairwise(list(layers))):
        if isinstance(layer, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            layers[i], layers[i + 1] = fuse_conv_bn_eval(layer, norm), nn.Identity()
            whole = layer.weight.device.type == "cpu" and _rectifies_in_bf16()
            if whole and any(isinstance(after, nn.ReLU) for after in layers[i + 2 : i + 3]):
                layers[i], layers[i + 2] = _Rectified(layers[i]), nn.Identity()


def keep_freed_memory() -> bool:
    """Tell the C library to keep freed memory for the next tensor instead of giving it back.

    A step frees hundreds of tensors and asks for the same again. Memory that went back to the
    system comes in pages that are first cleared and mapped, which costs more than to copy into
    them. The setting holds for the whole process; the command line makes it before it trains.

    Returns:
        Whether it was possible: with glibc, so on most Linux machines.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mmap_threshold, trim_threshold, largest = -3, -1, 2**31 - 1  # as in malloc.h
    library = ctypes.CDLL(None)
    return bool(library.mallopt(mmap_threshold, 2**30) & library.mallopt(trim_threshold, largest))
