"""Losses: Eq. 1 and Eq. 3 against literal values and against materialized targets."""

import pytest
import torch
from torch.nn import functional as F

from volpose.grid import Grid
from volpose.losses import coordinate_loss, stage_losses, volume_loss
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


@pytest.mark.parametrize("reduction", ["mean", "sum", "relative"])
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


def test_gradients_by_finite_differences():
    volumes, targets = example(torch.float64)
    for layout in (torch.contiguous_format, torch.channels_last):
        channels = volumes[2].detach().flatten(1, 2).contiguous(memory_format=layout)

        def loss(c):
            return volume_loss([c.unflatten(1, (4, 8))], targets[2:], "relative")

        assert torch.autograd.gradcheck(loss, channels.requires_grad_())


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
