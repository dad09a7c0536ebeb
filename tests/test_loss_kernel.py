"""The GPU's loss kernel against the plain formula: on a GPU, else in Triton's interpreter."""

import os

import pytest
import torch

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
if DEVICE == "cpu":
    os.environ["TRITON_INTERPRET"] = "1"  # read when Triton is first imported
pytest.importorskip("triton")

from volpose.loss_kernel import difference_and_energy, scale_in_place  # noqa: E402
from volpose.targets import GaussianTarget  # noqa: E402

ARITHMETIC = {torch.float64: 1e-14, torch.float32: 1e-6, torch.bfloat16: 1e-6}
# a GPU rounds to the nearest bf16, the interpreter rounds toward zero
ROUNDING = 2**-8 if DEVICE == "cuda" else 2**-7
LAST_BIT = {torch.float64: 0, torch.float32: 0, torch.bfloat16: ROUNDING}


def contiguous(volume):
    return volume


def channels_last(volume):
    """As `CoarseToFine` returns it: in memory b, h, w, j, k."""
    channels = volume.flatten(1, 2).contiguous(memory_format=torch.channels_last)
    return channels.unflatten(1, volume.shape[1:3])


def width_first(volume):
    """A dense layout that nobody plans for: in memory j, w, b, k, h."""
    return volume.permute(1, 4, 0, 2, 3).contiguous().permute(2, 0, 3, 4, 1)


def with_gaps(volume):
    """A part of a larger tensor."""
    return torch.nn.functional.pad(volume, (0, 3))[..., :-3]


LAYOUTS = [contiguous, channels_last, width_first, with_gaps]


def example(shape, dtype=torch.float32, layout=contiguous):
    """A volume and target of (B, J, d, H, W); each third joint has no label and holds no number."""
    batch, joints, depth, height, width = shape
    exact = dtype if dtype == torch.float64 else torch.float32
    x, y, z = (
        torch.rand(batch, joints, n, dtype=exact, device=DEVICE) for n in (width, height, depth)
    )
    valid = (torch.arange(batch * joints, device=DEVICE) % 3 != 1).view(batch, joints)
    volume = torch.randn(shape, dtype=exact, device=DEVICE).to(dtype)
    strange = torch.tensor([torch.nan, torch.inf, 1.0], dtype=dtype, device=DEVICE)
    strange = strange[torch.arange(width, device=DEVICE) % 3]
    volume = torch.where(valid[..., None, None, None], volume, strange)
    return layout(volume), GaussianTarget(x, y, z, valid)


def plain(volume, target, factor):
    """The formula in fp64, with the target drawn."""
    labeled = target.valid[..., None, None, None]
    drawn = GaussianTarget(*(part.double() for part in target[:3]), target.valid).volume()
    difference = torch.where(labeled, volume.double() - drawn, 0.0)
    return factor.double() * difference, difference.square().sum()


def check(volume, target):
    """Compare the kernel with the formula, and return what the kernel gives."""
    factor = torch.tensor(-0.37, device=DEVICE)
    gradient, energy = difference_and_energy(volume, *target, factor)
    expected, expected_energy = plain(volume, target, factor)
    assert gradient.dtype == volume.dtype
    error, last_bit = ARITHMETIC[volume.dtype], LAST_BIT[volume.dtype]
    torch.testing.assert_close(gradient.double(), expected, rtol=last_bit, atol=error)
    torch.testing.assert_close(energy.double(), expected_energy, rtol=error, atol=0)
    return gradient, energy


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ARITHMETIC)
def test_equals_the_plain_formula_in_every_layout(layout, dtype):
    volume, target = example((2, 3, 4, 5, 6), dtype, layout)
    gradient, energy = check(volume, target)
    assert layout is with_gaps or gradient.stride() == volume.stride()
    assert energy.shape == ()
    assert energy.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)


@pytest.mark.parametrize("layout", [contiguous, channels_last])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("depth", [1, 2, 32])
def test_seventeen_joints_at_every_depth(layout, dtype, depth):
    volume, target = example((2, 17, depth, 3, 10), dtype, layout)
    gradient, _ = check(volume, target)
    longer = [axis for axis, size in enumerate(volume.shape) if size > 1]
    assert [gradient.stride(a) for a in longer] == [volume.stride(a) for a in longer]


@pytest.mark.parametrize("layout", [contiguous, channels_last])
def test_a_volume_of_many_tiles(layout):
    check(*example((1, 3, 4, 32, 64), torch.bfloat16, layout))


@pytest.mark.parametrize("shape", [(1, 1, 1, 1, 1), (3, 1, 1, 1, 200), (1, 2, 1, 40, 1)])
def test_axes_of_length_one_may_have_any_stride(shape):
    volume, target = example(shape)
    check(volume, target)
    zero_strides = [s * (n > 1) for s, n in zip(volume.stride(), shape, strict=True)]
    check(volume.as_strided(shape, zero_strides), target)


@pytest.mark.parametrize("batch", [(), (2, 2)])
def test_any_number_of_batch_axes(batch):
    volume, target = example((4, 3, 2, 5, 6))
    if batch == ():
        volume, target = volume[0], GaussianTarget(*(part[0] for part in target))
    else:
        volume = volume.unflatten(0, batch)
        target = GaussianTarget(*(part.unflatten(0, batch) for part in target))
    gradient, _ = check(volume, target)
    assert gradient.shape == volume.shape


def test_joints_without_a_label_give_exactly_nothing():
    volume, target = example((2, 3, 4, 5, 6))
    gradient, energy = difference_and_energy(
        volume, *target, torch.tensor(torch.inf, device=DEVICE)
    )
    assert (gradient[~target.valid] == 0).all()
    assert energy.isfinite()
    none = target._replace(valid=torch.zeros_like(target.valid))
    gradient, energy = difference_and_energy(volume, *none, torch.ones((), device=DEVICE))
    assert energy.item() == 0
    assert not gradient.any()


def test_an_empty_batch_costs_nothing():
    volume, target = example((0, 3, 4, 5, 6))
    gradient, energy = difference_and_energy(volume, *target, torch.ones((), device=DEVICE))
    assert gradient.shape == volume.shape
    assert energy.item() == 0


@pytest.mark.parametrize("layout", [contiguous, channels_last])
@pytest.mark.parametrize("dtype", ARITHMETIC)
@pytest.mark.parametrize("number", [0.5, -3.0, 0.0])
def test_scale_in_place(layout, dtype, number):
    volume, _ = example((2, 17, 8, 6, 7), dtype, layout)  # more than one block
    volume.nan_to_num_(1.0, 1.0)
    expected = volume * number
    scaled = scale_in_place(volume, torch.tensor(number, device=DEVICE))
    assert scaled is volume
    torch.testing.assert_close(volume, expected, rtol=LAST_BIT[dtype], atol=0)


def test_scaling_by_one_touches_no_memory():
    # the same signaling NaN comes back: arithmetic would have made it a quiet one
    bits = torch.tensor([0x7FA00001, 0x3F800000], dtype=torch.int32, device=DEVICE)
    numbers = bits.clone().view(torch.float32)
    scale_in_place(numbers, torch.ones((), device=DEVICE))
    assert torch.equal(numbers.view(torch.int32), bits)


def test_scaling_leaves_neighbors_in_memory_alone():
    storage = torch.ones(30, device=DEVICE)
    scale_in_place(storage[10:20], torch.tensor(2.0, device=DEVICE))
    assert storage.sum().item() == 40


def test_wrong_arguments_are_refused():
    volume, target = example((2, 3, 4, 5, 6))
    one = torch.ones((), device=DEVICE)
    with pytest.raises(TypeError, match="volume must be one of"):
        difference_and_energy(volume.half(), *target, one)
    with pytest.raises(ValueError, match="gradient must be dense"):
        scale_in_place(volume[..., ::2], one)


def test_shapes_that_do_not_fit_are_refused(jaxtyping_disabled):
    volume, target = example((2, 3, 4, 5, 6))
    with pytest.raises(ValueError, match="x, y, z, valid must have the volume's shapes"):
        difference_and_energy(volume[..., :5], *target, torch.ones((), device=DEVICE))
