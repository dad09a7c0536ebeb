"""Cameras around a point agree on it, and a comparison measures what it says."""

import math
from types import SimpleNamespace

import footage
import multiview
import pytest
import torch
import triangulate

from volpose.camera import Camera
from volpose.lift.cameras import look_at
from volpose.lift.formats import FORMATS
from volpose.skeleton import H36M_17

TARGET = torch.tensor([100.0, -200.0, 900.0])
ROUND = torch.tensor([[3e3, 0, 1500], [0, 3e3, 2000], [-3e3, 500, 1000], [300, -4e3, 2500]])
CAMERAS = Camera(
    torch.full((4, 2), 1500.0),
    torch.full((4, 2), 500.0),
    look_at(ROUND, TARGET.expand(4, 3)),
    ROUND,
)
DICE = torch.Generator().manual_seed(0)
POINTS = TARGET + 400 * torch.randn(2, 33, 3, generator=DICE)  # frames, joints
SEEN = CAMERAS.project(CAMERAS.to_camera(POINTS.view(1, -1, 3))).view(4, 2, 33, 2)


def film(joints_px: torch.Tensor = SEEN) -> footage.Footage:
    sizes = [[1000, 1000]] * 4
    world = torch.zeros(4, 2, 33, 3)
    return footage.Footage(list("abcd"), sizes, CAMERAS, joints_px, world[..., 0] + 1, world, 30.0)


def test_views_that_agree_find_the_point():
    found = triangulate.agree(SEEN, CAMERAS, 2.0)
    torch.testing.assert_close(found.points, POINTS, atol=0.5, rtol=0)
    assert bool(found.used.all())


def test_a_view_that_errs_is_left_out():
    wrong = SEEN.clone()
    wrong[2, 0, 5] += 100
    wrong[1, 1, 7] = torch.nan
    found = triangulate.agree(wrong, CAMERAS, 2.0)
    torch.testing.assert_close(found.points, POINTS, atol=0.5, rtol=0)
    assert (~found.used).nonzero().tolist() == [[1, 1, 7], [2, 0, 5]]


def test_two_views_are_not_enough():
    wrong = SEEN.clone()
    wrong[2, 0, 5] += torch.tensor([80.0, 50.0])
    wrong[1, 0, 5] -= torch.tensor([60.0, -90.0])
    lost = triangulate.agree(wrong, CAMERAS, 2.0).points.isnan().any(-1)
    assert lost.nonzero().tolist() == [[0, 5]]


def test_a_shift_of_a_whole_picture_is_told():
    shifted = SEEN.clone()
    shifted[1] += torch.tensor([6.0, 0.0])
    _, exact = multiview.reference(film())
    _, facts = multiview.reference(film(shifted))
    assert exact["reprojection px, mean"] == 0
    assert facts["shared by all joints of a view px"][1][0] < -2


def test_swapped_legs_are_noticed():
    names = FORMATS["mediapipe33"]
    left, right = (
        [names.index(f"{side}_{part}") for part in ("hip", "knee", "ankle")]
        for side in ("left", "right")
    )
    swapped = SEEN.clone()
    swapped[3, 1, left], swapped[3, 1, right] = SEEN[3, 1, right], SEEN[3, 1, left]
    world = multiview.in_h36m(POINTS)
    assert multiview.sides_swapped(film(swapped), 3, world).tolist() == [False, True]
    assert multiview.sides_swapped(film(swapped), 2, world).tolist() == [False, False]


def test_errors_with_and_without_turn_and_size():
    truth = multiview.in_h36m(POINTS)
    truth = truth - truth[:, :1]
    c, s = math.cos(0.3), math.sin(0.3)
    other = truth @ torch.tensor([[c, s, 0], [-s, c, 0], [0, 0, 1]])
    error = {k: float(v) for k, v in multiview.errors(other, truth).items()}
    assert error["MPJPE mm"] > 20
    assert error["in depth mm"] == 0
    assert error["rotated mm"] == pytest.approx(0, abs=0.1)
    error = {k: float(v) for k, v in multiview.errors(1.5 * other, truth).items()}
    assert error["rotated mm"] > 20
    assert error["PA-MPJPE mm"] == pytest.approx(0, abs=0.1)


def test_a_camera_tells_how_it_leans():
    angle = torch.tensor(0.4)
    c, s = angle.cos(), angle.sin()
    roll = torch.tensor([[c, s, 0], [-s, c, 0], [0, 0, 1]])  # undoes a turn by the angle
    rolled = Camera(CAMERAS.focal, CAMERAS.center, roll @ CAMERAS.rotation, CAMERAS.position)
    turn, down = multiview.lean(rolled)
    torch.testing.assert_close(turn, angle.expand(4), atol=1e-4, rtol=0)
    torch.testing.assert_close(down, multiview.lean(CAMERAS)[1], atol=1e-4, rtol=0)


def test_methods_that_know_up_are_told_the_world_z_as_the_view_has_it(monkeypatch):
    asked = []

    def lifted(found, camera, lifter, *_, up=None):
        asked.append(up)
        return SimpleNamespace(pose_mm=torch.zeros(2, 17, 3))

    monkeypatch.setattr(multiview, "lift", lifted)
    monkeypatch.setattr(multiview, "lift_film", lifted)
    multiview.methods(film(), 2, None, torch.ones(2, dtype=torch.bool))
    told = [up for up in asked if up is not None]
    assert len(told) == 2
    world_up = CAMERAS[2].to_camera(TARGET[None] + torch.tensor([0, 0, 100.0]))
    for up in told:
        torch.testing.assert_close(100 * up, (world_up - CAMERAS[2].to_camera(TARGET[None]))[0])


def test_a_calibration_is_read():
    text = """<calibration><cameras><camera serial="one">
      <transform r11="1" r12="0" r13="0" r21="0" r22="0" r23="1" r31="0" r32="-1" r33="0"
        x="0" y="-4000" z="1000"/>
      <intrinsic focalLengthU="64000" focalLengthV="64000" centerPointU="32000"
        centerPointV="16000"/></camera></cameras></calibration>"""
    one = footage.qualisys(text)[0]
    camera = Camera(*(torch.tensor(one[key]) for key in footage.CAMERA))
    at = camera.project(camera.to_camera(torch.tensor([[400.0, 0.0, 1000.0], [0, 0, 2000]])))
    torch.testing.assert_close(at, torch.tensor([[600.0, 250.0], [500.0, 0.0]]))


def test_the_book_has_the_footage():
    real = footage.read()
    assert real.joints_px.shape == (4, 50, 33, 2)
    assert bool((torch.linalg.det(real.cameras.rotation) > 0.999).all())
    assert len(multiview.OWN) == 12
    assert multiview.in_h36m(real.world_mm).shape == (4, 50, H36M_17.num_joints, 3)
