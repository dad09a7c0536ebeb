"""Video: volumes that hear their neighbors."""

import pytest
import torch

from volpose.decode import limb_lengths, peak_voxel
from volpose.grid import Grid
from volpose.skeleton import H36M_17
from volpose.steady import LEAST, steady_limbs, steady_volumes
from volpose.studio import Studio
from volpose.targets import gaussian_volume

GRID = Grid((8, 12, 12), 48.0)


def film(voxels):
    """A volume for each row of (T, 3) voxels."""
    return torch.stack([gaussian_volume(v[None], GRID, 1.0) for v in voxels])


def test_limbs_keep_their_lengths_and_directions():
    dice = torch.Generator().manual_seed(0)
    poses = 300 * torch.randn(9, 17, 3, generator=dice) + torch.tensor([0.0, 0.0, 4000.0])
    found = steady_limbs(poses, H36M_17, fps=1e-3)  # frames too far apart to hear each other
    lengths = limb_lengths(found, H36M_17.limbs)
    torch.testing.assert_close(lengths, lengths[:1].expand_as(lengths), atol=1e-2, rtol=0)
    medians = limb_lengths(poses, H36M_17.limbs).median(0).values.tolist()
    usual = dict(zip(H36M_17.limbs, medians, strict=True))
    for limb, length in zip(H36M_17.limbs, lengths[0].tolist(), strict=True):
        twin = tuple(H36M_17.mirror[j] for j in limb)
        assert length == pytest.approx((usual[limb] + usual[twin]) / 2, abs=1e-2)
        ours, theirs = (p[:, limb[1]] - p[:, limb[0]] for p in (found, poses))
        assert torch.cosine_similarity(ours, theirs, dim=-1).min() > 0.9999
    torch.testing.assert_close(found.mean(1), poses.mean(1), atol=1e-2, rtol=0)


def test_a_person_of_one_size_stays_as_she_is():
    poses = Studio("test", size=16).sequence("S9", "Walking", frames=6, fps=25).pose
    one = poses[:1] + torch.tensor([[[10.0, 0.0, 5.0]]]) * torch.arange(6)[:, None, None]
    twins = torch.tensor(H36M_17.mirror)
    even = (one + one[:, twins] * torch.tensor([-1.0, 1.0, 1.0])) / 2  # left as long as right
    torch.testing.assert_close(steady_limbs(even, H36M_17, 25.0), even, atol=0.01, rtol=0)
    still = torch.zeros(3, 17, 3)  # limbs of no length have no direction
    assert torch.equal(steady_limbs(still, H36M_17, 25.0), still)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"fps": 0.0}, "fps positive, got 0.0 fps"),
        ({"seen": torch.zeros(3, dtype=torch.bool)}, "at least one frame"),
        ({"poses": torch.full((3, 17, 3), torch.nan)}, "must be finite"),
    ],
)
def test_what_has_no_limbs_to_keep_is_said(changed, words):
    usual = {"poses": torch.randn(3, 17, 3), "skeleton": H36M_17, "fps": 25.0}
    with pytest.raises(ValueError, match=words):
        steady_limbs(**(usual | changed))


def test_a_limb_that_is_too_short_takes_its_direction_from_the_frames_around():
    pose = Studio("test", size=16).sequence("S9", "Walking", frames=1, fps=25).pose
    poses = pose.repeat(9, 1, 1)
    elbow, wrist = (H36M_17.index(f"left_{part}") for part in ("elbow", "wrist"))
    off = torch.tensor([0.0, 12.0, -9.0])  # 15 mm, and somewhere else
    poses[4, wrist] = poses[4, elbow] + off
    forearm = steady_limbs(poses, H36M_17, 25.0)[:, [elbow, wrist]].diff(dim=1)[:, 0]
    cosine = torch.cosine_similarity(forearm[4], forearm[0], dim=0)
    assert cosine > 0.95 > torch.cosine_similarity(off, forearm[0], dim=0)
    assert forearm[4].norm() == pytest.approx(float(forearm[0].norm()), abs=0.1)
    seen = torch.arange(9) < 2  # only their lengths count
    long = poses.clone()
    long[2:, wrist] += 2 * (long[2:, wrist] - long[2:, elbow])
    kept = limb_lengths(steady_limbs(long, H36M_17, 25.0, seen), H36M_17.limbs)
    usual = limb_lengths(poses[:2], H36M_17.limbs).mean(0)
    number = H36M_17.limbs.index((elbow, wrist))
    assert kept[:, number].tolist() == pytest.approx([float(usual[number])] * 9, rel=0.05)


def test_what_is_steady_stays_as_it_is():
    voxels = torch.tensor([[5.3, 6.1, 3.8]]).expand(6, 3)
    steady = steady_volumes(film(voxels))
    torch.testing.assert_close(peak_voxel(steady)[:, 0], voxels, atol=0.05, rtol=0)
    torch.testing.assert_close(steady.amax((-3, -2, -1)), film(voxels).amax((-3, -2, -1)))


def test_a_single_frame_is_left_alone():
    volume = film(torch.tensor([[5.3, 6.1, 3.8]]))
    torch.testing.assert_close(
        peak_voxel(steady_volumes(volume)), peak_voxel(volume), atol=0.02, rtol=0
    )


def test_a_peak_that_flickers_for_a_frame_is_outvoted():
    voxels = torch.tensor([[4.0, 5.0, 2.0]]).repeat(7, 1)
    volumes = film(voxels)
    wrong = gaussian_volume(torch.tensor([[9.0, 9.0, 6.0]]), GRID, 1.0)
    volumes[3] = torch.maximum(0.7 * volumes[3], wrong)
    assert (peak_voxel(volumes[3])[0] - voxels[3]).norm() > 4
    assert (peak_voxel(steady_volumes(volumes)[3])[0] - voxels[3]).norm() < 0.3


def test_a_hidden_joint_is_carried_along():
    steps = torch.linspace(0, 1, 9)[:, None]
    voxels = torch.lerp(torch.tensor([3.0, 6.0, 4.0]), torch.tensor([7.0, 6.0, 4.0]), steps)
    volumes = film(voxels)
    volumes[4] = 0  # nothing was seen
    found = peak_voxel(steady_volumes(volumes))[4, 0]
    assert (found - voxels[4]).norm() < 0.5


def test_a_motion_is_followed():
    voxels = torch.stack([torch.linspace(2, 9, 8), torch.full((8,), 6.0), torch.full((8,), 4.0)], 1)
    found = peak_voxel(steady_volumes(film(voxels)))[:, 0]
    # the first and last frames hear more neighbors on one side, and lag behind
    torch.testing.assert_close(found[2:-2], voxels[2:-2], atol=0.4, rtol=0)


@pytest.mark.parametrize("step", [0.6, 1.0])
def test_forward_and_backward_are_those_of_a_markov_chain(step):
    torch.manual_seed(0)
    frames, places = 5, 7
    volumes = torch.rand(frames, 1, 1, 1, places)
    peak = volumes.amax(-1, keepdim=True)
    seen = (volumes / peak).clamp(min=LEAST).pow(peak).view(frames, places).double()
    reach = max(1, round(3 * step))
    at = torch.arange(places)
    apart = (at[:, None] - at).abs()
    bell = torch.exp(-torch.arange(-reach, reach + 1).square() / (2 * step**2)).sum()
    # along the two axes of one voxel nothing moves
    chain = torch.exp(-apart.square() / (2 * step**2)) / bell * (apart <= reach)
    chain = (0.98 * chain + 0.02 / places).double()
    expected = []
    for number in range(frames):
        forward = seen[0]
        for frame in seen[1 : number + 1]:
            forward = frame * (chain @ forward / forward.sum())
        backward = torch.ones(places).double()
        for frame in seen.flip(0)[: frames - 1 - number]:
            backward = chain @ (frame * backward / (frame * backward).sum())
        both = forward * backward
        expected.append(both / both.max() * peak[number].double().view(1))
    steady = steady_volumes(volumes, step).view(frames, places)
    torch.testing.assert_close(steady.double(), torch.stack(expected), rtol=1e-4, atol=1e-5)


def test_a_heatmap_is_a_volume_that_says_nothing_about_depth():
    torch.manual_seed(0)
    heatmaps = torch.rand(4, 2, 1, 6, 7)
    deep = heatmaps.expand(-1, -1, 61, -1, -1)
    steady, middle = steady_volumes(heatmaps), steady_volumes(deep)[:, :, 30:31]
    middle = middle / middle.amax((-2, -1), keepdim=True)
    torch.testing.assert_close(
        steady / steady.amax((-2, -1), keepdim=True), middle, rtol=1e-2, atol=1e-3
    )
