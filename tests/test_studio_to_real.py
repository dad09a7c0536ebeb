"""The judge of networks on real frames must count what it says, and nothing else."""

from dataclasses import asdict

import pytest
import torch
from real_frames import JUDGED, SIDE, Frames, judge
from studio_to_real import KINDS, variation

from volpose.crop import Box
from volpose.skeleton import H36M_17

JOINTS = 20 + (SIDE - 40) * torch.rand(6, 17, 2, generator=torch.Generator().manual_seed(0))
ALL = torch.ones(6, 17, dtype=torch.bool)


def test_a_shift_is_measured_in_px():
    found = judge(JOINTS + torch.tensor([3.0, 4.0]), JOINTS, ALL)
    assert found["median px"] == found["mean px"] == pytest.approx(5)
    assert found["found %"] == 100
    assert found["joints"] == 6 * 12
    assert set(found["by joint, median px"]) == set(JUDGED)


def test_a_joint_is_found_within_a_tenth_of_the_crop():
    near, far = (torch.tensor([share * SIDE, 0.0]) for share in (0.09, 0.11))
    assert judge(JOINTS + near, JOINTS, ALL)["found %"] == 100
    assert judge(JOINTS + far, JOINTS, ALL)["found %"] == 0


def test_exchanged_sides_are_told_from_lost_joints():
    found = judge(JOINTS[:, list(H36M_17.mirror)], JOINTS, ALL)
    assert found["median px"] > 10
    assert found["either side, median px"] == 0
    assert found["either side, found %"] == 100


def test_only_joints_count_that_are_judged_and_known():
    wrong, known = JOINTS.clone(), ALL.clone()
    for name in ("nose", "pelvis", "head_top", "spine", "thorax"):
        wrong[:, H36M_17.index(name)] += 99
    wrong[:, H36M_17.index("left_wrist")] += 99
    known[:, H36M_17.index("left_wrist")] = False
    found = judge(wrong, JOINTS, known)
    assert found["mean px"] == 0
    assert found["joints"] == 6 * 11
    assert found["by joint, median px"]["left_wrist"] is None


def test_the_kinds_of_variation_are_all_there_is():
    wild, default = (asdict(variation(name)) for name in ("wild", "default"))
    different = {dial for dial in wild if wild[dial] != default[dial]}
    named = [dial for dials in KINDS.values() for dial in dials]
    assert len(named) == len(set(named))
    assert different == {*named, "fixed_cameras"}  # `_free_camera` draws what the others vary


def test_a_variant_lacks_one_kind():
    wild, default, without = (asdict(variation(name)) for name in ("wild", "default", "no-light"))
    for dial in wild:
        assert without[dial] == (default if dial in KINDS["light"] else wild)[dial]


def test_frames_remember_their_videos():
    names = ["a", "a", "a", "b"]
    boxes = Box(torch.zeros(4, 2), torch.ones(4))
    frames = Frames([], boxes, torch.zeros(4, 3, 8, 8), JOINTS[:4], ALL[:4], names)
    assert frames.of("a") == [0, 1, 2]
    assert frames.shown == {"a": 1, "b": 3}
