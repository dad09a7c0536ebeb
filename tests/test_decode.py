"""Decoding: peaks between voxels, mirror averaging, root depth and the metric lift."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from volpose.camera import Camera
from volpose.crop import Box, to_crop
from volpose.decode import (
    argmax_voxel,
    confidence,
    limb_lengths,
    metric_pose,
    mirror_average,
    peak_voxel,
    root_depth_from_limbs,
)
from volpose.grid import Grid
from volpose.skeleton import H36M_17, SKELETONS
from volpose.targets import gaussian_volume

GRID = Grid((16, 20, 24), 96.0)


def a_pose(batch=4):
    """A standing person, jittered, 5 m away; and a camera and box that see it."""
    torch.manual_seed(1)
    rows = {
        "pelvis": (0, 0), "right_hip": (-130, 0), "right_knee": (-140, 440),
        "right_ankle": (-140, 880), "left_hip": (130, 0), "left_knee": (140, 440),
        "left_ankle": (140, 880), "spine": (0, -230), "thorax": (0, -480), "nose": (0, -590),
        "head_top": (0, -700), "left_shoulder": (150, -460), "left_elbow": (200, -190),
        "left_wrist": (220, 50), "right_shoulder": (-150, -460), "right_elbow": (-200, -190),
        "right_wrist": (-220, 50),
    }  # fmt: skip
    flat = torch.tensor([rows[j] for j in H36M_17.joints], dtype=torch.float64)
    pose = torch.cat([flat, torch.zeros(17, 1, dtype=torch.float64)], -1)
    pose = pose + 120 * torch.randn(batch, 17, 3, dtype=torch.float64)
    pose = pose + torch.tensor([300.0, -100.0, 5000.0], dtype=torch.float64)
    camera = Camera(
        torch.tensor([1145.0, 1143.0], dtype=torch.float64),
        torch.tensor([512.5, 515.5], dtype=torch.float64),
    )
    box = Box.around(camera.project(pose))
    return pose, camera, box


def places_of(pose, camera, box, size=256.0):
    px = to_crop(camera.project(pose), box, size)
    return torch.cat([px, pose[..., 2:] - pose[..., :1, 2:]], -1)


def test_argmax_literal():
    volume = torch.zeros(2, 3, 4, 5)
    volume[0, 2, 1, 4] = 1.0
    volume[1, 0, 3, 2] = 0.5
    assert argmax_voxel(volume).tolist() == [[4, 1, 2], [2, 3, 0]]
    assert confidence(volume).tolist() == [1.0, 0.5]


@given(st.tuples(st.floats(1.5, 21.4), st.floats(1.5, 17.4), st.floats(1.5, 13.4)))
def test_peak_of_a_drawn_gaussian_is_exact(center):
    voxels = torch.tensor([center], dtype=torch.float64)
    volume = gaussian_volume(voxels, GRID, sigma=1.2)
    torch.testing.assert_close(peak_voxel(volume), voxels, rtol=0, atol=2e-4)


def test_peak_on_the_border_keeps_the_integer_there():
    voxels = torch.tensor([[0.2, 9.3, 15.1]])
    peak = peak_voxel(gaussian_volume(voxels, GRID, sigma=1.2))
    torch.testing.assert_close(peak, torch.tensor([[0.0, 9.3, 15.0]]), atol=1e-3, rtol=0)


def test_a_heatmap_has_one_slice_and_its_peak_lies_in_it():
    volume = gaussian_volume(torch.tensor([[5.3, 6.7, 0.0]]), Grid((1, 20, 24), 96.0))
    torch.testing.assert_close(peak_voxel(volume), torch.tensor([[5.3, 6.7, 0.0]]))


def test_a_flat_or_negative_volume_gives_finite_voxels():
    for volume in (torch.zeros(3, 4, 4, 4), -torch.rand(3, 4, 4, 4), torch.ones(3, 4, 4, 4)):
        assert peak_voxel(volume).isfinite().all()


def test_decoding_works_on_bf16_channels_last_volumes():
    volume = gaussian_volume(torch.tensor([[[5.0, 6.0, 7.0]]]), GRID).bfloat16()
    strided = volume.flatten(1, 2).contiguous(memory_format=torch.channels_last)
    peak = peak_voxel(strided.unflatten(1, (1, 16)))
    torch.testing.assert_close(peak.float(), torch.tensor([[[5.0, 6.0, 7.0]]]))


@pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=lambda s: s.name)
def test_mirror_average_of_a_mirror_equivariant_network_changes_nothing(skeleton):
    """A 'network' that draws where it is told: mirrored input, mirrored output."""
    voxels = torch.rand(1, skeleton.num_joints, 3) * torch.tensor([20.0, 16.0, 12.0])

    def volumes_of(crops):
        if crops[0, 0, 0, 0] == 1:  # the marked corner is at the left: not mirrored
            return gaussian_volume(voxels, GRID)
        flipped = voxels[:, list(skeleton.mirror)].clone()
        flipped[..., 0] = 23 - flipped[..., 0]
        return gaussian_volume(flipped, GRID)

    crops = torch.zeros(1, 3, 8, 8)
    crops[..., 0, 0] = 1
    averaged = mirror_average(volumes_of, crops, skeleton)
    torch.testing.assert_close(averaged, gaussian_volume(voxels, GRID))


def test_the_metric_lift_undoes_the_projection():
    pose, camera, box = a_pose()
    lifted = metric_pose(places_of(pose, camera, box, 128.0), box, camera, pose[:, 0, 2], 128.0)
    torch.testing.assert_close(lifted, pose)


def test_root_depth_from_own_limbs_is_exact():
    pose, camera, box = a_pose()
    places = places_of(pose, camera, box)
    lengths = limb_lengths(pose, H36M_17.limbs)
    depth = root_depth_from_limbs(places, box, camera, H36M_17.limbs, lengths)
    torch.testing.assert_close(depth, pose[:, 0, 2], rtol=1e-6, atol=1e-3)


def test_root_depth_from_other_limbs_is_the_least_squares_depth():
    """Compared with a search over depths in steps of 1 mm, as the released code does."""
    pose, camera, box = a_pose()
    places = places_of(pose, camera, box)
    lengths = limb_lengths(pose, H36M_17.limbs).mean(0)
    depth = root_depth_from_limbs(places, box, camera, H36M_17.limbs, lengths)
    candidates = torch.arange(3000.0, 8000.0, dtype=torch.float64)
    who = torch.arange(4).repeat_interleave(len(candidates))  # everybody at every depth
    tried = metric_pose(places[who], box[who], camera, candidates.repeat(4))
    cost = (limb_lengths(tried, H36M_17.limbs) - lengths).square().sum(-1).view(4, -1)
    torch.testing.assert_close(depth, candidates[cost.argmin(1)], rtol=0, atol=1.0)


def test_the_robust_root_depth_forgives_a_wrong_joint():
    pose, camera, box = a_pose()
    places = places_of(pose, camera, box)
    lengths = limb_lengths(pose, H36M_17.limbs)
    wrong = places.clone()
    wrong[:, H36M_17.joints.index("left_ankle"), 2] += 700.0  # mm: one joint of seventeen

    def off(places, **how):
        depth = root_depth_from_limbs(places, box, camera, H36M_17.limbs, lengths, **how)
        return (depth - pose[:, 0, 2]).abs()

    assert off(places, trusted=40.0).max() < 1e-2
    assert (off(wrong, trusted=40.0, steps=30) < 0.5 * off(wrong)).all()


def test_limbs_of_unknown_length_do_not_count():
    pose, camera, box = a_pose()
    places = places_of(pose, camera, box)
    lengths = limb_lengths(pose, H36M_17.limbs)
    places[..., 3, :] += 40.0  # an ankle that was guessed
    lengths[..., [k for k, limb in enumerate(H36M_17.limbs) if 3 in limb]] = torch.nan
    depth = root_depth_from_limbs(places, box, camera, H36M_17.limbs, lengths)
    torch.testing.assert_close(depth, pose[:, 0, 2], rtol=1e-6, atol=1e-3)


def test_root_depth_survives_garbage():
    places = torch.zeros(2, 17, 3)
    box, camera = Box.from_corner(0, 0, 100, 100), Camera.guess(640, 480)
    lengths = torch.full((16,), 200.0)
    depth = root_depth_from_limbs(places, box, camera, H36M_17.limbs, lengths)
    assert depth.isfinite().all()
    assert (depth > 0).all()
