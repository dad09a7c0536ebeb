"""Motions as files: read back, they are where they were."""

import csv

import bvhio
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from tests.small import studio_batch
from volpose.animate import (
    CENTIMETERS,
    TO_Y_UP,
    joint_rotations,
    rest_directions,
    write_bvh,
    write_csv,
)
from volpose.data.bvh import read_bvh
from volpose.decode import limb_lengths
from volpose.metrics import root_relative
from volpose.skeleton import COCO_17, H36M_17
from volpose.studio import Studio


@pytest.fixture(scope="module")
def film():
    """A motion whose limbs have constant lengths: all frames are one actor."""
    return Studio("test", size=16).sequence("S9", "Walking", frames=12, fps=25).pose


def read_back(path):
    """(frames, joints, 3) mm, as the camera sees it, from the file's own origin."""
    points = read_bvh(path).points
    assert set(H36M_17.joints) <= set(points)
    found = np.stack([points[name] for name in H36M_17.joints], axis=1)
    return torch.from_numpy(found / CENTIMETERS * TO_Y_UP)


def test_a_motion_written_as_bvh_is_read_back_in_place(film, tmp_path):
    write_bvh(tmp_path / "walk.bvh", film, H36M_17, 25)
    again = read_back(tmp_path / "walk.bvh")
    path = film[:, 0].double()
    torch.testing.assert_close(again[:, 0] - again[:1, 0], path - path[:1], atol=0.01, rtol=0)
    off = (root_relative(again) - root_relative(film.double())).norm(dim=-1)
    # shoulders are not quite rigid in the studio, all other limbs keep their directions
    assert off.mean() < 5
    for parent, joint in H36M_17.limbs:
        ours, theirs = again[:, joint] - again[:, parent], film[:, joint] - film[:, parent]
        if len([c for p, c in H36M_17.limbs if p == parent]) == 1:
            cosine = torch.cosine_similarity(ours, theirs.double(), dim=-1)
            assert cosine.min() > 0.9999, H36M_17.joints[joint]
    lengths = limb_lengths(again, H36M_17.limbs)
    torch.testing.assert_close(lengths, lengths[:1].expand_as(lengths), atol=0.05, rtol=0)
    assert "Frame Time: 0.0400000" in (tmp_path / "walk.bvh").read_text()


def test_a_figure_begins_above_the_origin_and_stands_on_the_ground(film, tmp_path):
    write_bvh(tmp_path / "walk.bvh", film + torch.tensor([300.0, -900.0, 5000.0]), H36M_17, 25)
    again = read_back(tmp_path / "walk.bvh") * torch.from_numpy(TO_Y_UP)
    assert again[0, 0, [0, 2]].abs().max() < 0.01
    ankles = [H36M_17.index(f"{side}_ankle") for side in ("left", "right")]
    assert again[:, ankles, 1].min().abs() < 20  # mm; limbs have got their median lengths


def test_a_figure_stands_upright_where_up_is_known(film, tmp_path):
    tilt = Rotation.from_euler("XZ", [35, 20], degrees=True)
    tilted = torch.from_numpy(tilt.apply(film.reshape(-1, 3).numpy())).view(film.shape).float()
    up = tilt.apply([0.0, -3.0, 0.0])  # of any length
    write_bvh(tmp_path / "level.bvh", film, H36M_17, 25)
    write_bvh(tmp_path / "tilted.bvh", tilted, H36M_17, 25, up.tolist())
    level, again = (read_back(tmp_path / f"{name}.bvh") for name in ("level", "tilted"))
    # heights are the same; which way the figure faces nobody has told
    torch.testing.assert_close(again[..., 1], level[..., 1], atol=0.5, rtol=0)


def test_a_library_for_bvh_finds_the_joints_where_our_reader_does(film, tmp_path):
    path = tmp_path / "walk.bvh"
    write_bvh(path, film, H36M_17, 25)
    figure, ours = bvhio.readAsHierarchy(str(path)), read_back(path)
    for frame in (0, 7):
        figure.loadPose(frame)
        places = {joint.Name: list(joint.PositionWorld) for joint, _, _ in figure.layout()}
        theirs = np.array([places[name] for name in H36M_17.joints]) / CENTIMETERS * TO_Y_UP
        torch.testing.assert_close(torch.from_numpy(theirs), ours[frame], atol=0.2, rtol=0)


def test_the_rest_pose_needs_no_rotation_and_faces_forward():
    rest = rest_directions(H36M_17)
    joints = np.zeros((1, H36M_17.num_joints, 3))
    for joint, parent in enumerate(H36M_17.parents):
        if joint != H36M_17.root:
            joints[0, joint] = joints[0, parent] + rest[joint]
    for rotation in joint_rotations(joints, H36M_17):
        np.testing.assert_allclose(rotation.as_rotvec(), 0, atol=1e-6)
    assert joints[0, H36M_17.index("nose"), 2] > 0  # forward is +z
    assert joints[0, H36M_17.index("left_wrist"), 0] > 0  # so left is +x
    assert joints[0, H36M_17.index("head_top"), 1] > joints[0, H36M_17.index("left_ankle"), 1]


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 100_000))
def test_a_turned_figure_turns_every_joint_alike(seed):
    turn = Rotation.random(random_state=seed)
    rest = rest_directions(H36M_17)
    joints = np.zeros((1, H36M_17.num_joints, 3))
    for joint, parent in enumerate(H36M_17.parents):
        if joint != H36M_17.root:
            joints[0, joint] = joints[0, parent] + turn.apply(rest[joint])
    for rotation in joint_rotations(joints, H36M_17):
        assert (rotation[0] * turn.inv()).magnitude() < 1e-5


def test_angles_do_not_jump(tmp_path):
    pose = root_relative(studio_batch().pose[:1])
    angle = torch.linspace(0, 4 * torch.pi, 60)
    c, s, zero = angle.cos(), angle.sin(), torch.zeros_like(angle)
    about_y = torch.stack([c, zero, s, zero, zero + 1, zero, -s, zero, c], -1).view(-1, 3, 3)
    write_bvh(tmp_path / "spin.bvh", pose @ about_y.mT, H36M_17, 30)
    lines = (tmp_path / "spin.bvh").read_text().split("Frame Time")[1].splitlines()[1:]
    values = np.array([[float(v) for v in line.split()] for line in lines])
    assert np.abs(np.diff(values[:, 3:], axis=0)).max() < 30  # degrees; a turn has 12 a frame


def test_a_table_has_a_row_a_frame_in_millimeters(film, tmp_path):
    write_csv(tmp_path / "walk.csv", film, H36M_17, 25)
    with open(tmp_path / "walk.csv", encoding="utf8") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == len(film)
    assert float(rows[3]["time_s"]) == pytest.approx(0.12)
    wrist = H36M_17.index("left_wrist")
    assert float(rows[3]["left_wrist_y_mm"]) == pytest.approx(float(film[3, wrist, 1]), abs=0.01)


@pytest.mark.parametrize("write", [write_bvh, write_csv])
def test_what_cannot_be_written_is_said_and_leaves_nothing(write, film, tmp_path):
    path = tmp_path / "out"
    broken = film.clone()
    broken[4, 3] = torch.nan
    for poses, skeleton, fps, words in (
        (broken, H36M_17, 25, "frame 4 has an unknown joint"),
        (film[:, :16], H36M_17, 25, r"must be \(frames, 17, 3\)"),
        (film[:0], H36M_17, 25, r"must be \(frames, 17, 3\)"),
        (film, H36M_17, 0, "fps must be positive"),
    ):
        with pytest.raises(ValueError, match=words):
            write(path, poses, skeleton, fps)
    assert not path.exists()


def test_a_skeleton_without_rest_pose_is_refused(film, tmp_path):
    with pytest.raises(ValueError, match="coco17 has a joint without rest pose: left_eye"):
        write_bvh(tmp_path / "out", film, COCO_17, 25)


def moved(parts, axis, degrees):
    """The rest pose, its limbs of 400 mm, with joints (by name) turned more and more: mm, camera.

    Args:
        parts: joint -> how far it turns, in parts of degrees.
        axis: x, y, z of the figure, about which all of them turn.
        degrees: (frames,).
    """
    rest, axis = rest_directions(H36M_17), np.array(axis, float)
    joints = np.zeros((len(degrees), H36M_17.num_joints, 3))
    turns = [Rotation.identity(len(degrees))] * H36M_17.num_joints
    waiting = [H36M_17.root]
    while waiting:
        parent = waiting.pop(0)
        by = np.radians(parts.get(H36M_17.joints[parent], 0) * degrees)[:, None]
        turns[parent] = turns[parent] * Rotation.from_rotvec(by * axis / np.linalg.norm(axis))
        for child in (c for p, c in H36M_17.limbs if p == parent):
            turns[child] = turns[parent]
            joints[:, child] = joints[:, parent] + turns[parent].apply(400 * rest[child])
            waiting.append(child)
    return torch.from_numpy(joints * TO_Y_UP)


LEG = {"left_hip": -1.0}
SQUAT = {"pelvis": 0.3, "left_hip": -1.0, "right_hip": -1.0, "left_knee": 1.1, "right_knee": 1.1}


@pytest.mark.parametrize(
    ("parts", "axis"),
    [
        (LEG, (1, 0, 0.02)),  # forward
        (LEG, (1, 0, -1)),  # half to the side
        (LEG, (0.02, 0, -1)),  # to the side
        (SQUAT, (1, 0.02, 0)),
        ({"pelvis": 1.0}, (1, 0.02, 0.02)),  # bows, further than the ground
        ({"pelvis": 1.0}, (0.02, 0.02, 1)),  # a cartwheel
        ({"left_shoulder": 1.0}, (0.02, 0, 1)),  # an arm up
        ({"left_shoulder": 1.0}, (0.02, -1, 0)),  # an arm forward and across
    ],
)
def test_a_limb_that_turns_far_has_angles_that_go_with_it(parts, axis, tmp_path):
    """Else a program that makes frames between frames throws the figure about."""
    degrees = np.linspace(0, 140, 57)
    pose = moved(parts, axis, degrees)
    path = tmp_path / "turn.bvh"
    write_bvh(path, pose, H36M_17, 30)
    lines = path.read_text().split("Frame Time")[1].splitlines()[1:]
    values = np.array([[float(v) for v in line.split()] for line in lines])
    assert np.abs(np.diff(values[:, 3:], axis=0)).max() < 4  # degrees; a joint turns by 2.75
    ours = read_back(path)
    pose = pose - (pose - ours)[0, 0]  # the file's own origin
    torch.testing.assert_close(ours, pose, atol=0.5, rtol=0)
    figure = bvhio.readAsHierarchy(str(path)).loadPose(40)
    places = {joint.Name: list(joint.PositionWorld) for joint, _, _ in figure.layout()}
    theirs = np.array([places[name] for name in H36M_17.joints]) / CENTIMETERS * TO_Y_UP
    torch.testing.assert_close(torch.from_numpy(theirs), pose[40], atol=0.5, rtol=0)
