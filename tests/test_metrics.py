"""The measures: by hand where numbers can be, against plain references where they cannot."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from volpose.metrics import (
    auc,
    mpjpe,
    pa_mpjpe,
    part_scores,
    pck,
    pcp,
    procrustes_align,
    root_relative,
)
from volpose.skeleton import H36M_17, KTH_14, SKELETONS, mirror_joints

seeds = st.integers(0, 2**31)


def poses(seed: int, *shape: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 300 * torch.randn(*shape, 3, generator=generator, dtype=torch.float64)


def rotations(seed: int, *batch: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    turn, _ = torch.linalg.qr(torch.randn(*batch, 3, 3, generator=generator, dtype=torch.float64))
    return turn * torch.linalg.det(turn)[..., None, None]


def reference_alignment(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Umeyama's similarity of one sample, in numpy, with the rotation acting on columns."""
    x, y = predicted.T, truth.T
    x_mean, y_mean = x.mean(1, keepdims=True), y.mean(1, keepdims=True)
    covariance = (y - y_mean) @ (x - x_mean).T / x.shape[1]
    u, d, vt = np.linalg.svd(covariance)
    s = np.eye(3)
    if np.linalg.det(u) * np.linalg.det(vt) < 0:
        s[2, 2] = -1
    rotation = u @ s @ vt
    factor = np.trace(np.diag(d) @ s) / ((x - x_mean) ** 2).sum(0).mean()
    return (factor * rotation @ (x - x_mean) + y_mean).T


def test_mpjpe_by_hand():
    truth = torch.zeros(2, 3, 3)
    predicted = torch.tensor(
        [[[3.0, 4, 0], [0, 0, 0], [0, 0, 10]], [[1, 2, 2], [0, 0, 0], [0, 0, 0]]]
    )
    assert mpjpe(predicted, truth).tolist() == [5, 1]
    valid = torch.tensor([[True, False, True], [False, False, False]])
    masked = mpjpe(predicted, truth, valid)
    assert masked[0] == 7.5
    assert masked[1].isnan()


def test_unknown_joints_do_not_spoil_masked_errors():
    truth = poses(0, 2, 17)
    predicted = truth + torch.tensor([0.0, 3.0, 4.0])
    valid = torch.ones(2, 17, dtype=torch.bool)
    valid[0, 3] = valid[1, 10] = False
    truth[~valid] = torch.nan
    assert torch.allclose(mpjpe(predicted, truth, valid), torch.tensor([5.0, 5.0]).double())
    assert (pa_mpjpe(predicted, truth, valid) < 1e-6).all()
    assert pck(predicted, truth, 5.5, valid).tolist() == [1, 1]


def test_root_relative_by_hand():
    pose = torch.tensor([[1.0, 2, 3], [2, 4, 8], [4, 6, 5]])
    assert root_relative(pose).tolist() == [[0, 0, 0], [1, 2, 5], [3, 4, 2]]
    assert root_relative(pose, 1).tolist() == [[-1, -2, -5], [0, 0, 0], [2, 2, -3]]
    assert root_relative(pose, (0, 2)).tolist() == [
        [-1.5, -2, -1],
        [-0.5, 0, 4],
        [1.5, 2, 1],
    ]


@settings(max_examples=40, deadline=None)
@given(seeds, st.floats(0.1, 10), st.sampled_from([(), (3,), (2, 3)]))
def test_pa_mpjpe_ignores_any_similarity(seed, factor, batch):
    predicted, truth = poses(seed, *batch, 17), poses(seed + 1, *batch, 17)
    shift = poses(seed + 3, *batch, 1)
    moved = factor * predicted @ rotations(seed + 2, *batch) + shift
    assert torch.allclose(pa_mpjpe(moved, truth), pa_mpjpe(predicted, truth))
    assert (pa_mpjpe(factor * truth @ rotations(seed) + 7, truth) < 1e-6).all()


def test_pa_mpjpe_does_not_forgive_a_mirrored_pose():
    truth = poses(5, 4, 17)
    flip = torch.tensor([-1.0, 1.0, 1.0], dtype=torch.float64)
    assert (pa_mpjpe(truth * flip, truth) > 50).all()
    assert (pa_mpjpe(mirror_joints(truth, H36M_17), truth) > 50).all()


@settings(max_examples=40, deadline=None)
@given(seeds, st.integers(1, 6), st.integers(4, 17))
def test_alignment_equals_a_sample_by_sample_reference(seed, batch, joints):
    predicted, truth = poses(seed, batch, joints), poses(seed + 1, batch, joints)
    aligned = procrustes_align(predicted, truth).numpy()
    for i in range(batch):
        expected = reference_alignment(predicted[i].numpy(), truth[i].numpy())
        np.testing.assert_allclose(aligned[i], expected, atol=1e-6)


@settings(max_examples=40, deadline=None)
@given(seeds, st.booleans(), st.booleans())
def test_no_similarity_nearby_is_better(seed, scale, mirrored):
    truth = poses(seed, 17)
    predicted = truth * torch.tensor([-1.0 if mirrored else 1.0, 1, 1]) + poses(seed + 1, 17) / 5
    aligned = procrustes_align(predicted, truth, scale=scale)
    best = (aligned - truth).square().sum()
    generator = torch.Generator().manual_seed(seed)
    for size in (1e-3, 1e-2, 1e-1):
        skew = size * torch.randn(3, 3, generator=generator, dtype=torch.float64)
        turn = torch.linalg.matrix_exp(skew - skew.mT)
        factor = 1 + scale * size * torch.randn(1, generator=generator, dtype=torch.float64)
        shift = 100 * size * torch.randn(3, generator=generator, dtype=torch.float64)
        other = factor * aligned @ turn + shift
        assert (other - truth).square().sum() >= best * (1 - 1e-12)


def test_alignment_without_scale_is_rigid():
    truth = poses(0, 17)
    rigid = procrustes_align(2 * truth @ rotations(1) + 50, truth, scale=False)
    mean = truth.mean(dim=0)
    assert torch.allclose(rigid, 2 * (truth - mean) + mean)


def test_invalid_joints_have_no_say_in_the_alignment():
    truth = poses(0, 3, 17)
    predicted = 3 * truth @ rotations(1) + 11
    predicted[:, 4] += 5000
    valid = torch.ones(3, 17, dtype=torch.bool)
    valid[:, 4] = False
    assert (pa_mpjpe(predicted, truth, valid) < 1e-6).all()
    assert (pa_mpjpe(predicted, truth) > 100).all()


def test_flat_and_collapsed_predictions_align_without_nan():
    truth = poses(0, 17)
    flat = truth * torch.tensor([1.0, 1.0, 0.0])
    assert procrustes_align(flat, truth).isfinite().all()
    collapsed = procrustes_align(torch.ones_like(truth), truth)
    assert torch.allclose(collapsed, truth.mean(dim=0).expand(17, 3))


def test_alignment_refuses_what_is_not_finite():
    truth = poses(0, 2, 17)
    predicted = truth.clone()
    predicted[1, 3, 2] = torch.nan
    with pytest.raises(ValueError, match=r"predicted must be finite .* but 1 of 102 values"):
        pa_mpjpe(predicted, truth)


def test_single_precision_is_enough():
    predicted, truth = poses(0, 8, 17), poses(1, 8, 17)
    expected = pa_mpjpe(predicted, truth)
    found = pa_mpjpe(predicted.float(), truth.float())
    assert found.dtype == torch.float32
    assert torch.allclose(found.double(), expected, atol=1e-2)


def limb_of_100_mm(start: float, end: float) -> tuple[torch.Tensor, torch.Tensor]:
    """A limb along x, and its prediction with both ends off sideways by so many mm."""
    truth = torch.tensor([[0.0, 0, 0], [100, 0, 0]])
    return truth + torch.tensor([[0, start, 0], [0, 0, end]]), truth


@pytest.mark.parametrize(
    ("start", "end", "mean_form", "strict_form"),
    [
        (50, 50, True, True),  # both at the threshold, half the limb
        (50.01, 50, False, False),
        (0, 100, True, False),  # the mean is at the threshold, one end is not
        (0, 100.01, False, False),
        (40, 60, True, False),
    ],
)
def test_pcp_at_the_threshold(start, end, mean_form, strict_form):
    predicted, truth = limb_of_100_mm(start, end)
    assert pcp(predicted, truth, [(0, 1)]).tolist() == [mean_form]
    assert pcp(predicted, truth, [(0, 1)], strict=True).tolist() == [strict_form]


def test_pcp_measures_by_the_true_length():
    predicted, truth = limb_of_100_mm(0, 30)
    predicted = predicted * 10
    assert not pcp(predicted, truth, [(0, 1)]).item()
    assert pcp(*limb_of_100_mm(0, 30), [(0, 1)], threshold=0.15).item()
    assert not pcp(*limb_of_100_mm(0, 30), [(0, 1)], threshold=0.1499).item()


def test_part_scores_average_left_and_right():
    correct = torch.ones(4, len(KTH_14.limbs), dtype=torch.bool)
    left_upper_arm = (KTH_14.index("left_shoulder"), KTH_14.index("left_elbow"))
    right_lower_leg = (KTH_14.index("right_knee"), KTH_14.index("right_ankle"))
    correct[:, KTH_14.limbs.index(left_upper_arm)] = False
    correct[0, KTH_14.limbs.index(right_lower_leg)] = False
    assert part_scores(correct, KTH_14) == {
        "upper arms": 0.5,
        "lower arms": 1.0,
        "upper legs": 1.0,
        "lower legs": 0.875,
    }


@pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=list(SKELETONS))
def test_a_perfect_pose_has_every_part_on_every_set(skeleton):
    truth = poses(0, 2, skeleton.num_joints)
    scores = part_scores(pcp(truth, truth, skeleton.limbs), skeleton)
    assert set(scores.values()) == {1.0}


def test_pck_and_auc_by_hand():
    truth = torch.zeros(4, 3)
    predicted = torch.tensor([[0.0, 0, 0], [0, 12, 0], [0, 0, 149], [0, 0, 150]])
    assert pck(predicted, truth).item() == 0.75  # 150 is not below 150
    assert pck(predicted, truth, 10).item() == 0.25
    assert auc(predicted, truth, [10, 20, 150, 151]).item() == (0.25 + 0.5 + 0.75 + 1) / 4
    # of 31 thresholds 0, 5, ... 150: 0 mm is below 30, 12 mm below 28, 149 mm below one
    assert auc(predicted, truth).item() == pytest.approx((30 + 28 + 1 + 0) / (4 * 31))
    valid = torch.tensor([True, True, True, False])
    assert pck(predicted, truth, valid=valid).item() == 1
    assert auc(truth, truth).item() == pytest.approx(30 / 31)
