"""Losses: Eq. 1 and Eq. 3 against literal values and against materialized targets."""

import pytest
import torch
from torch.nn import functional as F

import volpose.fused
from volpose.fused import SquaredDistance
from volpose.grid import Grid
from volpose.losses import (
    REDUCTIONS,
    coordinate_loss,
    plain_volume_loss,
    stage_losses,
    volume_loss,
)
from volpose.targets import coarse_to_fine_targets

GRID = Grid((8, 6, 5), 32.0)


def example(dtype=torch.float32):
    voxels = torch.rand(3, 4, 3, dtype=dtype) * torch.tensor([4.0, 5.0, 7.0], dtype=dtype)
    voxels[0, 1, 2] = torch.nan
    z_bins = (1, 4, 8)
    targets = coarse_to_fine_targets(voxels, GRID, z_bins)
    volumes = [torch.randn(3, 4, d, 6, 5, dtype=dtype, requires_grad=True) for d in z_bins]
    return volumes, targets


def test_coordinate_loss_literal():
    predicted = torch.tensor([[[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]], [[0.0] * 3, [0.0] * 3]])
    truth = torch.tensor([[[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]], [[0.0] * 3, [2.0, 0.0, 0.0]]])
    assert coordinate_loss(predicted, truth).item() == pytest.approx((4 + 9 + 1 + 0 + 4) / 2)


def test_coordinate_loss_ignores_joints_without_label():
    predicted = torch.zeros(1, 2, 3, requires_grad=True)
    truth = torch.tensor([[[1.0, 0.0, 0.0], [torch.nan] * 3]])
    loss = coordinate_loss(predicted, truth, torch.tensor([[True, False]]))
    loss.backward()
    assert loss.item() == 1
    assert predicted.grad.tolist() == [[[-2, 0, 0], [0, 0, 0]]]


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_volume_loss_equals_materialized_targets(reduction):
    volumes, targets = example()
    expected = torch.zeros(())
    for volume, target in zip(volumes, targets, strict=True):
        keep = target.valid[..., None, None, None].expand(volume.shape)
        drawn = target.volume()
        if reduction == "mean":
            term = F.mse_loss(volume[keep], drawn[keep])
        else:
            term = F.mse_loss(volume[keep], drawn[keep], reduction="sum")
            term = term / (len(volume) if reduction == "sum" else drawn[keep].square().sum())
        expected = expected + term
    loss = volume_loss(volumes, targets, reduction)
    torch.testing.assert_close(loss, expected)
    ours = torch.autograd.grad(loss, volumes)
    plain = torch.autograd.grad(expected, volumes)
    for a, b in zip(ours, plain, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("depth", [1, 4])
def test_gradients_by_finite_differences(depth, layout):
    grid = Grid((4, 3, 2), 16.0)
    voxels = torch.rand(2, 3, 3, dtype=torch.float64)
    voxels[0, 1, 2] = torch.nan
    (target,) = coarse_to_fine_targets(voxels, grid, (depth,))
    assert target.valid.sum() == 5
    factor = torch.tensor(0.3, dtype=torch.float64)
    channels = torch.randn(2, 3 * depth, 3, 2, dtype=torch.float64)
    channels = channels.contiguous(memory_format=layout).requires_grad_()

    def distance(c):
        return SquaredDistance.apply(c.unflatten(1, (3, depth)), *target, factor)

    assert torch.autograd.gradcheck(distance, channels)


@pytest.fixture(params=[2**18, 40], ids=["one piece", "many pieces"])
def chunk(request, monkeypatch):
    """How many voxels are worked on at a time."""
    for name in ("CHUNK", "COPIED"):
        monkeypatch.setattr(volpose.fused, name, request.param)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_fused_equals_plain(reduction, dtype, layout, chunk):
    volumes, targets = example()
    channels = [
        v.detach().flatten(1, 2).contiguous(memory_format=layout).to(dtype).requires_grad_()
        for v in volumes
    ]
    found = []
    for loss in (volume_loss, plain_volume_loss):
        value = -0.7 * loss([c.unflatten(1, (4, -1)) for c in channels], targets, reduction)
        once = torch.autograd.grad(value, channels, retain_graph=True)
        again = torch.autograd.grad(2 * value, channels)
        found.append((value, once, again))
    (ours, *our_gradients), (plain, *plain_gradients) = found
    assert ours.dtype == torch.float32
    wide = dtype == torch.float32
    # bf16: the difference, its product with the factor and with -0.7 are each rounded
    torch.testing.assert_close(ours, plain, rtol=1e-5 if wide else 2e-3, atol=0)
    for our_pass, plain_pass in zip(our_gradients, plain_gradients, strict=True):
        for a, b in zip(our_pass, plain_pass, strict=True):
            assert a.dtype == dtype
            scale = b.float().abs().max().item()
            near = {"rtol": 1e-5, "atol": 1e-6} if wide else {"rtol": 2**-6, "atol": scale * 2**-7}
            torch.testing.assert_close(a, b, **near)


def test_a_second_derivative_is_refused_and_not_wrong():
    weight = torch.ones((), requires_grad=True)
    volumes, targets = example()
    with pytest.raises(RuntimeError, match="no second derivative"):
        torch.autograd.grad(
            volume_loss([weight * v for v in volumes], targets), weight, create_graph=True
        )


def test_no_gradient_is_needed():
    volumes, targets = example()
    with torch.no_grad():
        loss = volume_loss(volumes, targets)
    assert not loss.requires_grad
    torch.testing.assert_close(loss, volume_loss(volumes, targets).detach())
    torch.testing.assert_close(loss, volume_loss([v.detach() for v in volumes], targets))


def test_volumes_are_not_changed():
    volumes, targets = example()
    before = [v.detach().clone() for v in volumes]
    volume_loss(volumes, targets).backward()
    assert all(map(torch.equal, volumes, before))


def test_nothing_predicted_costs_one_at_every_depth():
    volumes, targets = example()
    for term in stage_losses([torch.zeros_like(v) for v in volumes], targets, "relative"):
        assert term.item() == pytest.approx(1, abs=1e-6)


def test_perfect_volumes_cost_nothing():
    _, targets = example()
    loss = volume_loss([t.volume() for t in targets], targets, "sum")
    assert loss.item() == pytest.approx(0, abs=1e-10)


def test_huge_logits_stay_finite_in_bf16():
    volumes, targets = example()
    huge = [(1e4 * v.detach()).bfloat16() for v in volumes]
    assert volume_loss(huge, targets).isfinite()


def test_a_masked_joint_gives_no_gradient_even_if_infinite():
    (volume,), (target,) = [part[:1] for part in example()]
    masked = ~target.valid[..., None, None, None]
    volume_loss([volume], [target]).backward()
    assert volume.grad[masked.expand(volume.shape)].abs().sum() == 0
    assert volume_loss([volume.detach().masked_fill(masked, torch.inf)], [target]).isfinite()


def test_wrong_shapes_and_names_are_refused():
    volumes, targets = example()
    with pytest.raises(ValueError, match="reduction must be one of"):
        volume_loss(volumes, targets, "max")
    with pytest.raises(ValueError, match="got 2 volumes for 3 targets"):
        volume_loss(volumes[:2], targets)
    with pytest.raises(ValueError, match="volume must have the target's shape"):
        volume_loss(volumes[::-1], targets)
