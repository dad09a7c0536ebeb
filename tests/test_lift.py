"""Lifting: virtual cameras, faulty detectors, and a network that learns from them."""

import json
import math
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from tests.forks import same_bits
from volpose.__main__ import main
from volpose.camera import Camera
from volpose.crop import Box, to_image
from volpose.decode import integral_voxel, limb_lengths, metric_pose
from volpose.estimator import Estimator
from volpose.feed import random_stream
from volpose.grid import Grid
from volpose.lift.bodies import (
    BENT,
    FACTORS,
    SIDES,
    STATURE,
    mirror_some,
    recombine,
    resample_bodies,
)
from volpose.lift.cameras import seen_from, turned_to, virtual_cameras
from volpose.lift.doubt import Doubt
from volpose.lift.evaluate import CUTS
from volpose.lift.faults import Counted, Cut, Faults, Found
from volpose.lift.heatmaps import FURTHEST, MARGIN, Heatmaps, framed, reach, read_heatmaps
from volpose.lift.lifter import Lifter, Placed, compromise, lift, upward
from volpose.lift.lines import Lines, lines_loss
from volpose.lift.motions import Motions, narrowed
from volpose.lift.people import seen_people
from volpose.lift.strays import strays
from volpose.lift.training import (
    PERCEPTRON,
    RECIPES,
    TASK,
    VOLUME,
    LiftFeed,
    distance_loss,
    train_lifter,
)
from volpose.metrics import mpjpe, root_relative
from volpose.network import NetworkConfig
from volpose.skeleton import H36M_17
from volpose.targets import coarse_to_fine_targets, gaussian_volume
from volpose.team import Team
from volpose.train import fit

LEFT_HIP, RIGHT_HIP = H36M_17.index("left_hip"), H36M_17.index("right_hip")
# standing, facing +y with z up, mm from the pelvis; the left of the body is at x < 0
STANDING = torch.tensor(
    [
        *([0, 0, 0], [90, 0, 0], [95, 10, -430], [95, -20, -850]),
        *([-90, 0, 0], [-95, 10, -430], [-95, -20, -850]),
        *([0, 0, 220], [0, 0, 450], [0, 80, 590], [0, 20, 760]),
        *([-190, 0, 440], [-220, 0, 160], [-220, 60, -90]),
        *([190, 0, 440], [220, 0, 160], [220, 60, -90]),
    ]
).float()


def people(count: int, seed: int = 0) -> torch.Tensor:
    """People (count, 17, 3) who stand, bend their arms and lift their knees."""
    generator = torch.Generator().manual_seed(seed)
    pose = STANDING.repeat(count, 1, 1)
    for joint, (chain, most) in {
        "left_hip": ((5, 6), 1.2),
        "right_hip": ((2, 3), 1.2),
        "left_shoulder": ((12, 13), 2.5),
        "right_shoulder": ((15, 16), 2.5),
    }.items():
        angle = most * torch.rand(count, generator=generator)
        c, s, zero = angle.cos(), angle.sin(), torch.zeros(count)
        rows = [[zero + 1, zero, zero], [zero, c, -s], [zero, s, c]]  # forward and up
        turn = torch.stack([torch.stack(row, -1) for row in rows], -2)
        start = pose[:, [H36M_17.index(joint)]]
        pose[:, chain] = (pose[:, chain] - start) @ turn.mT + start
    return pose


def motions(count: int, seed: int = 0) -> Motions:
    return Motions(people(count, seed), np.full(count, "a"), f"{count} people")


def stream(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# Bodies


def test_new_bodies_keep_their_pose():
    pose = people(200)
    other = resample_bodies(pose, stream())
    before, after = (
        torch.stack([p[:, b] - p[:, a] for a, b in H36M_17.limbs], 1) for p in (pose, other)
    )
    cosine = torch.cosine_similarity(before, after, dim=-1)
    assert cosine.min() > 0.9999
    ratio = after.norm(dim=-1) / before.norm(dim=-1)
    for column, (_, joint) in enumerate(H36M_17.limbs):
        part = H36M_17.joints[joint].removeprefix("left_").removeprefix("right_")
        low, high = FACTORS[part]
        assert ratio[:, column].min() >= low * STATURE[0] * (1 - SIDES) - 1e-4
        assert ratio[:, column].max() <= high * STATURE[1] * (1 + SIDES) + 1e-4
        assert ratio[:, column].std() > 0.02
    left, right = (ratio[:, [j - 1 for j in (LEFT_HIP, RIGHT_HIP)]]).unbind(-1)
    assert (left / right - 1).abs().max() < 2.2 * SIDES


def test_an_unknown_nose_spoils_no_other_joint():
    pose = people(3)
    pose[:, H36M_17.index("nose")] = torch.nan
    other = resample_bodies(pose, stream())
    assert bool((other.isfinite().all(-1) == pose.isfinite().all(-1)).all())
    thorax, crown = H36M_17.index("thorax"), H36M_17.index("head_top")
    head = (other[:, crown] - other[:, thorax]).norm(dim=-1)
    assert head.min() > 310 * FACTORS["head_top"][0] * STATURE[0] * (1 - SIDES)


def test_arms_and_legs_of_others_fit():
    pose = people(300)
    turned = pose * torch.tensor([-1.0, -1.0, 1.0])  # half a turn about z
    turned[::2] = pose[::2]
    mixed = recombine(turned, stream())
    before, after = (limb_lengths(p, H36M_17.limbs) for p in (turned, mixed))
    assert torch.allclose(before, after, atol=0.1)  # all have the same body
    hips = [LEFT_HIP, RIGHT_HIP]
    assert torch.allclose(mixed[:, hips], turned[:, hips], atol=1e-3)
    # knees bend forward: the legs of people who face the other way were turned
    knee = mixed[:, H36M_17.index("left_knee")] - mixed[:, LEFT_HIP]
    forward = torch.tensor([[0.0, 1.0, 0.0], [0.0, -1.0, 0.0]]).repeat(150, 1)
    assert (knee * forward).sum(-1).min() > -430 * BENT * 4
    moved = (mixed - turned)[:, H36M_17.index("left_wrist")].norm(dim=-1)
    assert 0.4 < (moved == 0).float().mean() < 0.6
    assert moved[moved > 0].median() > 50


def test_half_of_the_people_become_their_mirror_image():
    pose = people(400)
    mirrored = mirror_some(pose, stream())
    turned = (mirrored != pose).flatten(1).any(-1)
    assert 0.4 < turned.float().mean() < 0.6
    assert torch.allclose(limb_lengths(mirrored, H36M_17.limbs)[:, 0], torch.tensor(90.0))
    assert bool((mirrored[:, LEFT_HIP, 0] < 0).all())  # who faces +y has the left at x < 0


# Cameras


def test_cameras_stand_all_around_low_and_high_and_have_the_person_in_the_crop():
    pose = people(2000)
    seen = seen_people(pose, Counted().find, stream())
    flat, depth = seen.places[..., :2], seen.places[..., 2]
    assert flat.min() > 20
    assert flat.max() < 236
    longest = (flat.amax(1) - flat.amin(1)).amax(-1)
    assert torch.allclose(longest, torch.tensor(256 / 1.25), atol=0.1)
    assert seen.pose[..., 2].min() > 300
    assert depth[:, H36M_17.root].abs().max() == 0
    # in the frame of a camera that looks straight at the person: where is up, where is the left
    up = torch.nn.functional.normalize(
        seen.pose[:, H36M_17.index("thorax")] - seen.pose[:, 0], dim=-1
    )
    elevation = torch.rad2deg(torch.asin(-up[:, 2]))
    assert elevation.quantile(0.05) < 0
    assert elevation.quantile(0.95) > 35
    assert elevation.min() > -45
    assert elevation.max() < 80
    roll = torch.rad2deg(torch.atan2(up[:, 0], -up[:, 1]))
    assert 2 < roll.std() < 15
    left = seen.pose[:, LEFT_HIP] - seen.pose[:, RIGHT_HIP]
    yaw = torch.atan2(left[:, 2], left[:, 0])
    quarters = torch.histc(yaw, 4, -math.pi, math.pi) / len(yaw)
    assert quarters.min() > 0.2


def test_the_projected_pose_is_what_the_detector_finds():
    seen = seen_people(people(50), Counted().find, stream())
    assert torch.allclose(seen.found.joints, seen.places[..., :2], atol=0.02)
    depth = seen.pose[:, H36M_17.root, 2]
    pose = metric_pose(seen.places, seen.box, seen.view, depth)
    assert torch.allclose(pose, seen.pose, atol=1.0)


def test_up_is_where_people_who_stand_have_their_heads():
    pose = STANDING.repeat(500, 1, 1)
    seen = seen_people(pose, Counted().find, stream())
    spine = seen.pose[:, H36M_17.index("thorax")] - seen.pose[:, 0]
    spine = torch.nn.functional.normalize(spine, dim=-1)
    assert torch.allclose(seen.up, spine, atol=1e-4)


def test_up_turns_with_the_camera_and_has_no_length():
    camera = Camera.from_values(900, 900, 500, 300)
    view = turned_to(camera, torch.tensor([[500.0, 300.0], [1400.0, 300.0]]))
    up = upward(torch.tensor([0.0, -2.0, 0.0]), view)
    assert torch.allclose(up, torch.tensor([[0.0, -1, 0], [0, -1, 0]]), atol=1e-6)
    away = upward(torch.tensor([[0.0, 0, 3], [0, 0, 3]]), view)  # a camera that looks up
    s = math.sqrt(0.5)
    assert torch.allclose(away, torch.tensor([[0.0, 0, 1], [-s, 0, s]]), atol=1e-5)
    assert upward(None, view) is None
    for wrong in ([0.0, 0.0, 0.0], [math.nan, 0.0, 1.0]):
        with pytest.raises(ValueError, match="up must be a direction"):
            upward(torch.tensor(wrong), view)


def test_half_of_the_people_are_shown_without_knowing_up():
    config = replace(VOLUME, images=512, samples=6400, batch_size=512)
    up = LiftFeed(config, motions(512), 0, 1, Team()).read(0)[2]
    length = up.norm(dim=-1)
    known = length > 0
    assert torch.allclose(length[known], torch.tensor(1.0))
    assert 0.4 < known.float().mean() < 0.6


def test_a_camera_turned_to_a_point_sees_it_in_the_middle():
    camera = Camera.from_values(900, 900, 500, 300)
    points = torch.tensor([[500.0, 300.0], [0.0, 600.0], [900.0, 10.0]])
    view = turned_to(camera, points)
    middle = seen_from(view, camera, points[:, None])
    assert middle.abs().max() < 1e-3
    identity = view.rotation @ view.rotation.mT
    assert torch.allclose(identity, torch.eye(3).expand(3, 3, 3), atol=1e-5)
    assert torch.allclose(view.rotation[0], torch.eye(3), atol=1e-6)


def test_batches_follow_from_seed_and_step_alone():
    config = replace(VOLUME, images=64, samples=6400, batch_size=32)
    feed = LiftFeed(config, motions(64), 0, 9, Team())
    again = LiftFeed(config, motions(64), 3, 9, Team())
    assert all(map(torch.equal, feed.read(3), again.read(3)))
    assert not torch.equal(feed.read(3)[0], feed.read(4)[0])
    other = LiftFeed(replace(config, seed=1), motions(64), 0, 9, Team())
    assert not torch.equal(feed.read(3)[0], other.read(3)[0])
    halves = [LiftFeed(config, motions(64), 0, 9, Team(rank, 2)).read(3)[0] for rank in (0, 1)]
    assert torch.equal(torch.stack(halves, 1).flatten(0, 1), feed.read(3)[0])


# Faults


def detected(
    faults: Faults | Counted, count: int = 4000
) -> tuple[torch.Tensor, Found, torch.Tensor]:
    """Joints in a crop of 512 px, what was found, and the distances in px of a crop of 256."""
    joints = 100 + 300 * torch.rand(count, 17, 2, generator=stream(1))
    found = faults.find(joints, torch.full((count,), 512.0), stream())
    return joints, found, (found.joints - joints).norm(dim=-1) / 2


def test_counted_faults_are_what_they_say():
    _, found, off = detected(Counted(5.0, 2))
    assert (off.square().mean() / 2).sqrt() == pytest.approx(5.0, rel=0.02)
    assert bool(((found.confidence == 0).sum(-1) == 2).all())
    assert found.confidence[:, H36M_17.root].min() == 1
    assert detected(Counted())[2].max() == 0


def test_detectors_of_training_err_as_often_as_they_should():
    only = Faults(*[0.0] * 10)
    assert detected(only)[2].max() == 0
    assert detected(only)[1].confidence.min() == 1
    _, found, off = detected(replace(Faults(), stand_ins=0.0))
    sharp = (off.median(-1).values < 0.01).float().mean()
    assert 0.3 < sharp < 0.6
    assert 1.0 < off.mean() < 5.0
    missing = (found.confidence == 0).float().mean()
    assert 0.02 < missing < 0.1
    assert (found.confidence > 0).sum(-1).min() >= 4
    unsure = (found.confidence > 0) & (found.confidence < 1)
    assert (
        off[unsure & (found.confidence > 0.8)].mean()
        < off[unsure & (found.confidence < 0.6)].mean()
    )


def test_swaps_exchange_legs_or_arms():
    joints, found, _ = detected(replace(Faults(*[0.0] * 10), swapped=0.1))
    swapped = (found.joints[:, LEFT_HIP] == joints[:, RIGHT_HIP]).all(-1)
    assert bool((found.joints[swapped][:, RIGHT_HIP] == joints[swapped][:, LEFT_HIP]).all())
    assert 0.15 < swapped.float().mean() < 0.21  # legs alone or all, not both at once


def test_a_border_cuts_one_side_and_leaves_enough():
    joints, found, _ = detected(replace(Faults(*[0.0] * 10), cut=1.0), 500)
    lost = found.confidence == 0
    below = [joints[i, m, 1].min() > joints[i, ~m, 1].max() for i, m in enumerate(lost) if m.any()]
    assert 0.5 < torch.stack(below).float().mean() < 0.8


def test_stand_ins_are_midpoints():
    _, found, _ = detected(replace(Faults(*[0.0] * 10), stand_ins=1.0))
    shoulders = [H36M_17.index("left_shoulder"), H36M_17.index("right_shoulder")]
    middle = found.joints[:, shoulders].mean(1)
    assert torch.allclose(found.joints[:, H36M_17.index("thorax")], middle)


# Heatmaps and volumes


def test_heatmaps_say_where_a_joint_is_and_how_sure():
    box = Box(torch.tensor([[200.0, 300.0]]), torch.tensor([160.0]))
    grid = Grid((1, 32, 32), 32.0)
    cells = 8 + 16 * torch.rand(1, 17, 2, generator=stream())
    height = torch.rand(1, 17, generator=stream(1))
    at = torch.cat([cells, torch.zeros(1, 17, 1)], -1)
    drawn = height[..., None, None] * gaussian_volume(grid.to_voxels(at), grid, 1.5)[:, :, 0]
    found = read_heatmaps(Heatmaps(drawn - 1e-4, box))  # a little below zero, as networks say
    assert torch.allclose(found.joints, to_image(cells, box, 32.0), atol=1.0)
    assert torch.allclose(found.confidence, height, atol=0.06)


def lines(voxels: torch.Tensor, grid: Grid, sigma: float) -> Lines:
    (target,) = coarse_to_fine_targets(voxels, grid, grid.shape[:1], sigma)
    return Lines(*target[:3])


def test_lines_have_the_volume_and_the_center_that_they_stand_for():
    grid = Grid((8, 12, 16), 64.0)
    scores = torch.randn(2, 17, 36, generator=stream())
    found = Lines.of_scores(scores, grid.shape, 1.0)
    assert [line.shape[-1] for line in found] == [16, 12, 8]
    volume = found.volume()
    assert volume.shape == (2, 17, 8, 12, 16)
    assert volume.amin() > 0
    assert torch.allclose(found.center(), integral_voxel(volume), atol=1e-3)
    x = torch.exp(scores[0, 3, :16]) / torch.exp(scores[0, 3, :16]).sum()
    assert torch.allclose(found.x[0, 3], math.sqrt(2 * math.pi) * x, atol=1e-5)


def test_lines_as_sharp_as_the_target_are_as_high():
    grid = Grid((16, 16, 16), 64.0)
    voxels = 5 + 6 * torch.rand(2, 17, 3, generator=stream())
    target = lines(voxels, grid, 1.0)
    again = Lines.of_scores(torch.cat(target, -1).clamp(min=1e-9).log(), grid.shape, 1.0)
    assert torch.allclose(again.x, target.x, atol=2e-3)
    assert torch.allclose(again.center(), voxels, atol=1e-3)


def test_the_loss_of_lines_is_that_of_their_volumes():
    grid = Grid((8, 12, 16), 64.0)
    voxels = 2 + 4 * torch.rand(3, 17, 3, generator=stream())
    voxels[0, 4] = torch.nan
    (target,) = coarse_to_fine_targets(voxels, grid, (8,), 1.0)
    found = Lines.of_scores(torch.randn(3, 17, 36, generator=stream(1)), grid.shape, 1.0)
    drawn = target.volume()
    off = (found.volume() - drawn).square().sum((-3, -2, -1)) / drawn.square().sum((-3, -2, -1))
    off[0, 4] = 0
    assert torch.allclose(lines_loss(found, target), off.mean(), rtol=1e-4)
    exact = Lines(*target[:3])
    assert lines_loss(exact, target) < 1e-5
    nothing = Lines(*(0 * line for line in exact))
    assert torch.allclose(lines_loss(nothing, target), torch.tensor(50 / 51))


def test_distances_let_the_likelier_of_two_places_win():
    truth = torch.tensor([-1.0, -1.0, -1.0, 1.0, math.nan]).view(5, 1, 1).expand(5, 1, 3)
    guesses = torch.linspace(-1, 1, 21)
    losses = [distance_loss(torch.full((5, 1, 3), float(g)), truth) for g in guesses]
    assert guesses[torch.stack(losses).argmin()] == -1
    assert torch.allclose(losses[0], torch.tensor(6.0 / 5))


def seen_at(sigma=0.0, count=200):
    return seen_people(people(count, seed=8), Counted(sigma).find, stream(6), 256.0).found.joints


ALL = torch.ones(17, dtype=torch.bool)


@pytest.mark.parametrize("sigma", [0.0, 10.0])
@pytest.mark.parametrize("missing", [0, 4])
def test_no_joint_of_a_person_is_astray(sigma, missing):
    for number, joints in enumerate(seen_at(sigma)):
        known = torch.randperm(17, generator=stream(number)) >= missing
        assert not strays(joints, known, H36M_17.joints).any()


@pytest.mark.parametrize("joint", range(17))
def test_a_joint_that_is_far_off_is_astray_and_no_other(joint):
    for joints in seen_at(5.0, count=20):
        joints[joint] += torch.tensor([700.0, -600.0])
        (found,) = strays(joints, ALL, H36M_17.joints).nonzero()[:, 0].tolist()
        assert found == joint


@pytest.mark.parametrize("pair", [(3, 13), (13, 16), (2, 5), (0, 10), (4, 14)])
@pytest.mark.parametrize("to", [[0.0, 0.0], [900.0, -900.0]])
def test_two_joints_astray_do_not_hide_each_other(pair, to):
    for joints in seen_at(count=20) + 1000:
        joints[list(pair)] = torch.tensor(to)
        found = strays(joints, ALL, H36M_17.joints).nonzero()[:, 0].tolist()
        assert found == list(pair)


def test_strays_need_others_to_be_compared_with():
    joints, few = 100 * torch.rand(17, 2), torch.zeros(17, dtype=torch.bool)
    few[:5] = True  # hips and a leg
    joints[3] += 5000.0
    assert not strays(joints, few, H36M_17.joints).any()


def test_given_joints_count_as_far_as_the_network_explains_them():
    own = 100 * torch.rand(3, 17, 2)
    noise = torch.randn(3, 17, 2) * torch.tensor([0.5, 10.0, 10.0])[:, None, None]
    sure = torch.ones(3, 17)
    sure[:, 4] = 0
    found = Found(own + noise, sure)
    mixed = compromise(found, own, 1.0)
    assert torch.equal(mixed[:, 4], own[:, 4])
    seen = [joint for joint in range(17) if joint != 4]
    assert torch.allclose(mixed[0, seen], found.joints[0, seen], atol=1e-4)
    assert (mixed - own)[1].abs().max() < 0.05 * noise[1].abs().max()


def test_the_studio_adds_poses_with_hips_as_narrow_as_the_markers():
    both = motions(8).with_studio(6)
    assert len(both) == 14
    assert both.subject[-1].startswith("studio S")
    assert "6 poses of studio train" in both.name
    assert torch.equal(both.pose[:8], people(8))
    own = both.pose[8:]
    assert own[:, 0].abs().max() == 0
    widths = limb_lengths(own, H36M_17.limbs)[:, 0]
    assert 75 < widths.min() <= widths.max() < 105
    thorax, feet = own[:, H36M_17.index("thorax")], own[:, [3, 6]]
    assert (thorax[:, 2] > feet[..., 2].amax(-1)).float().mean() > 0.5  # z up


def test_legs_go_with_the_hips():
    wide = narrowed(people(5), 2.0)
    before, after = (limb_lengths(p, H36M_17.limbs) for p in (people(5), wide))
    hips = [column for column, (parent, _) in enumerate(H36M_17.limbs) if parent == 0][:2]
    assert torch.allclose(after[:, hips], 2 * before[:, hips])
    rest = [column for column in range(16) if column not in hips]
    assert torch.allclose(after[:, rest], before[:, rest], atol=1e-2)


# Networks

SMALL = NetworkConfig("lift", (8,), 64, 2, 1, 32, 1.0)
TINY = replace(VOLUME, network=SMALL, samples=12_800, batch_size=64, average=0.9, warmup=10)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lift")
    return train_lifter(TINY, motions(512), folder, progress=False), folder


def test_a_small_training_beats_the_mean_pose(trained):
    lifter, _ = trained
    seen = seen_people(people(200, seed=7), Counted().find, stream(3), lifter.grid.crop_size)
    truth = root_relative(seen.pose)
    places, sure, doubt = lifter.places(seen.found)
    pose = metric_pose(places, seen.box, seen.view, seen.pose[:, 0, 2], lifter.grid.crop_size)
    flat = places * torch.tensor([1.0, 1.0, 0.0])
    flat = metric_pose(flat, seen.box, seen.view, seen.pose[:, 0, 2], lifter.grid.crop_size)
    error = mpjpe(root_relative(pose), truth).mean()
    assert error < 0.7 * mpjpe(truth.mean(0).expand_as(truth), truth).mean()
    assert error < 0.8 * mpjpe(root_relative(flat), truth).mean()  # better than no depth at all
    assert sure.min() > 0
    assert sure.max() <= 1
    assert doubt.isnan().all()  # nobody has measured it yet


def test_a_run_that_was_killed_goes_on_exactly(tmp_path):
    config = replace(TINY, images=64, samples=640)
    fit(config, motions(64), tmp_path / "a", progress=False, task=TASK)
    fit(config, motions(64), tmp_path / "b", progress=False, task=TASK, until=4)
    fit(config, motions(64), tmp_path / "b", progress=False, task=TASK)
    assert same_bits(*(tmp_path / name / "weights.safetensors" for name in "ab"))


def test_lifters_are_saved_and_loaded(trained, tmp_path):
    lifter, folder = trained
    loaded = Lifter.load(folder / "weights.safetensors")
    found = seen_people(people(5), Counted().find, stream(), 32.0).found
    # the loaded weights lie in memory in another order, so sums are rounded in another order
    assert torch.allclose(loaded.places(found)[0], lifter.places(found)[0], atol=1e-2)
    assert "mocap.cs.cmu.edu" in loaded.network.card["licence"]
    with pytest.raises(ValueError, match="takes 2D joints, not images"):
        loaded.network.places(torch.zeros(1, 3, 32, 32))
    image_net = Estimator.untrained(NetworkConfig(z_bins=(1, 8), features=16, image_size=64))
    with pytest.raises(ValueError, match="a lifter needs a network of kind lift"):
        Lifter(image_net)


def test_a_mirrored_person_gives_the_mirrored_pose(trained):
    lifter, _ = trained
    found = seen_people(people(4), Counted().find, stream(), 32.0).found
    twins = list(H36M_17.mirror)
    flipped = torch.tensor([32.0, 0.0]) + torch.tensor([-1.0, 1.0]) * found.joints[:, twins]
    up = torch.tensor([[0.6, -0.8, 0.0]]).expand(4, 3)
    places = lifter.places(found, up=up)[0]
    other = up * torch.tensor([-1.0, 1.0, 1.0])
    back = lifter.places(Found(flipped, found.confidence), up=other)[0][:, twins]
    assert torch.allclose(places[..., 2], back[..., 2], atol=0.5)
    assert torch.allclose(places[..., 0], 32 - back[..., 0], atol=0.05)


@pytest.mark.parametrize("recipe", [VOLUME, PERCEPTRON])
def test_joints_that_were_not_found_may_be_any_number(recipe):
    torch.manual_seed(0)
    lifter = Lifter(Estimator.untrained(recipe.network))
    sure = torch.ones(2, 17)
    sure[:, 4] = 0
    joints = 64 * torch.rand(2, 17, 2)
    there = lifter.places(Found(joints, sure))[0]
    joints[:, 4] = torch.nan
    gone = lifter.places(Found(joints, sure))[0]
    assert gone.isfinite().all()
    assert torch.equal(gone, there)


def test_the_perceptron_learns_too(tmp_path):
    network = replace(PERCEPTRON.network, features=64)
    recipe = replace(PERCEPTRON, network=network, samples=12_800, batch_size=64, warmup=10)
    lifter = train_lifter(recipe, motions(512), tmp_path, progress=False)
    seen = seen_people(people(100, seed=7), Counted().find, stream(3), lifter.grid.crop_size)
    off = lifter.places(seen.found)[0][..., 2] - seen.places[..., 2]
    assert off.abs().mean() < 0.8 * seen.places[..., 2].abs().mean()
    with pytest.raises(ValueError, match="has no volume"):
        lifter.volume(seen.found)


@dataclass(frozen=True, eq=False)
class Knowing(Lifter):
    """A lifter that knows the truth."""

    truth: torch.Tensor | None = None

    def places(self, found, mirror=True, up=None):
        return Placed(self.truth, found.confidence, torch.zeros_like(found.confidence))


def test_lift_finds_the_pose_of_a_person_far_from_the_middle_of_the_picture(trained):
    pose = people(20)
    camera = virtual_cameras(pose, stream())
    in_camera = camera.to_camera(pose)
    camera = Camera(camera.focal, camera.center)
    found = Found(camera.project(in_camera), torch.ones(20, 17))
    seen = seen_people(pose, Counted().find, stream(), 32.0)  # the same cameras
    lifter = Knowing(trained[0].network, seen.places)
    lifted = lift(found, camera, lifter, in_camera[:, 0, 2])
    assert torch.allclose(lifted.pose_mm, root_relative(in_camera), atol=1.0)
    assert torch.allclose(lifted.root_mm, in_camera[:, 0], atol=2.0)
    free = lift(found, camera, lifter)  # all people have the same limbs, which the card knows
    assert mpjpe(free.pose_mm, root_relative(in_camera)).mean() < 40


def test_a_frame_without_a_person_is_named(trained):
    joints, sure = 100 * torch.rand(3, 17, 2), torch.ones(3, 17)
    sure[1, 3:] = 0
    with pytest.raises(ValueError, match="frame 1: expected at least 4 known joints, got 3"):
        lift(Found(joints, sure), Camera.from_values(100, 100, 50, 50), trained[0])


def test_a_box_has_room_for_what_the_border_cuts_off():
    joints = torch.stack([STANDING[:, 0], -STANDING[:, 2]], -1)[None] / 10 + 200.0
    whole = Found(joints, torch.ones(1, 17))
    assert reach(whole) == 1
    one_foot = torch.ones(1, 17)
    one_foot[0, 3] = 0
    assert reach(Found(joints, one_foot)) == 1
    extents = {}
    for name, lost in CUTS.items():
        found = Cut(lost).find(joints, torch.ones(1), stream())
        extents[name] = float(reach(found))
        crop, _, box = framed(found, Camera.from_values(5000, 5000, 200, 200), 256.0)
        assert box.side / Box.around(found.known()).side == pytest.approx(
            extents[name] * MARGIN / 1.25, rel=0.05
        )
        at = crop.joints[0, [LEFT_HIP + 1, RIGHT_HIP + 1]]  # the knees
        assert ((at > 0) & (at < 256)).all() or name == "all below the chest"
    assert extents["ankles"] < extents["knees and ankles"] <= extents["all below the chest"]
    assert extents["all below the chest"] <= FURTHEST
    nobody = Found(joints, torch.zeros(1, 17))
    assert 1 <= reach(nobody) <= FURTHEST


def test_the_shipped_lifter_gives_legs_to_those_who_are_cut_off():
    pose = people(40, seed=5)
    seen = seen_people(pose, Cut(CUTS["knees and ankles"]).find, stream(), 256.0, roll=0.0)
    lifted = lift(
        Found(seen.view.project(seen.pose), seen.found.confidence), seen.view, Lifter.load()
    )
    thigh = limb_lengths(lifted.pose_mm, [(LEFT_HIP, LEFT_HIP + 1)])
    assert 300 < thigh.median() < 450
    depth = lifted.root_mm[:, 2] / seen.pose[:, 0, 2]
    assert 0.9 < depth.median() < 1.1  # limbs that were guessed do not move the person


def test_the_shipped_lifter_knows_people_it_has_never_seen():
    pose = people(40)
    seen = seen_people(pose, Counted().find, stream(5), 256.0)
    joints = to_image(seen.found.joints, seen.box)
    lifted = lift(Found(joints, torch.ones(40, 17)), seen.view, Lifter.load("lift-mocap"))
    errors = mpjpe(lifted.pose_mm, root_relative(seen.pose))
    assert errors.median() < 90
    assert (lifted.root_mm[:, 2] / seen.pose[:, 0, 2] - 1).abs().median() < 0.15


def test_joints_beyond_the_crop_have_no_confidence():
    pose = people(20)
    seen = seen_people(pose, Counted().find, stream(5), 256.0)
    whole = Found(to_image(seen.found.joints, seen.box), torch.ones(20, 17))
    sure = torch.zeros(20, 17)
    head = [j for j, name in enumerate(H36M_17.joints) if name in ("thorax", "nose", "head_top")]
    head += [H36M_17.index(f"{side}_shoulder") for side in ("left", "right")]
    sure[:, head] = 1
    lifter = Lifter.load("lift-mocap")
    cut = lift(Found(whole.joints, sure), seen.view, lifter).confidence
    feet = [H36M_17.index(f"{side}_ankle") for side in ("left", "right")]
    assert cut[:, feet].max() == 0
    assert cut[:, head].min() > 0
    assert lift(whole, seen.view, lifter).confidence.min() > 0


# The command


def test_the_command_trains_and_evaluates(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(RECIPES, "volume", replace(VOLUME, batch_size=32))
    names = [n.replace("left_", "l_").replace("right_", "r_") for n in H36M_17.joints]
    count = 80
    archive = {
        "pose_m": people(count).numpy() / 1000,
        "joint_names": np.array(names),
        "subjects": np.array(["a", "b"]),
        "motion_action": np.array(["wave"]),
        "subject_idx": np.arange(count) % 2,
        "motion_idx": np.zeros(count),
        "src_frame": np.arange(count),
        "is_test": np.arange(count) >= 76,
    }
    np.savez(tmp_path / "people.npz", **archive)
    data = ["--data", f"mocap:{tmp_path / 'people.npz'}"]
    run, out = tmp_path / "run", tmp_path / "errors.json"
    train = ["lift", "train", *data, "--samples", "64", "--studio", "20", "--out", str(run)]
    assert main(train) == 0
    card = Estimator.load(run / "weights.safetensors").card
    assert "76 poses" in card["data"]
    assert "20 poses of studio train" in card["data"]
    weights = str(run / "weights.safetensors")
    assert main(["lift", "evaluate", weights, *data, "--step", "1", "--json", str(out)]) == 0
    result = json.loads(out.read_text())
    assert len(result["rows"]) == 16
    assert result["cut off"].keys() == CUTS.keys()
    assert result["poses"] == 4
    assert all(math.isfinite(row["MPJPE mm, truth"]) for row in result["rows"])
    theirs = result["subjects"].values()
    assert sum(person["poses"] for person in theirs) == 4
    of_all = sum(person["poses"] * person["MPJPE mm, truth"] for person in theirs) / 4
    assert of_all == pytest.approx(result["rows"][0]["MPJPE mm, truth"], abs=0.01)
    assert Doubt.of_card({"doubt": result["doubt"]["tables"]})
    assert result["doubt"]["within"] == {}  # nobody can be left out of so few
    on = [*train[:-1], str(tmp_path / "on"), "--start", weights, "--rate", "1e-4"]
    assert main(on) == 0
    card = Estimator.load(tmp_path / "on" / "weights.safetensors").card
    assert card["recipe"]["start"] == Estimator.load(weights).checksum()
    assert card["recipe"]["learning_rate"] == 1e-4
    capsys.readouterr()
    other = ["--network", "perceptron", "--samples", "512", "--start", weights]
    assert main(["lift", "train", *data, *other, "--out", str(tmp_path / "no")]) == 2
    assert "the recipe's network, with kind 'lift-perceptron'" in capsys.readouterr().err
    # motions whose frames are numbered in another way lose nobody
    odd = archive | {"motion_idx": np.arange(count) % 2, "src_frame": 4 * np.arange(count) + 1}
    odd["motion_action"] = np.array(["wave", "walk"])
    np.savez(tmp_path / "odd.npz", **odd)
    every = Motions.read(tmp_path / "odd.npz", "train", 4)
    assert sorted(every.subject.tolist()) == ["a"] * 10 + ["b"] * 10
    capsys.readouterr()
    assert main(["lift", "train", "--data", "studio:train"]) == 2
    assert "data must be mocap:PATH" in capsys.readouterr().err
    assert main(["lift", "evaluate", "studio-tiny", *data, "--json", str(out)]) == 2
    assert "a lifter needs a network of kind lift" in capsys.readouterr().err


def test_random_streams_of_batches_and_tests_differ():
    assert random_stream(0, 3, 0).initial_seed() != random_stream(0, 4, 0).initial_seed()
