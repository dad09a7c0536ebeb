"""Poses with other numbers of joints are refused in a sentence, with or without shape checks."""

import pytest
import torch

import volpose as vp


@pytest.fixture(autouse=True)
def _without_shape_checks(jaxtyping_disabled):
    """As in a user's program: what refuses here is the package itself."""


@pytest.mark.parametrize("metric", [vp.mpjpe, vp.pa_mpjpe, vp.pck, vp.auc])
def test_metrics(metric):
    with pytest.raises(ValueError, match=r"must have the same joints .*\(16, 3\).*\(17, 3\)"):
        metric(torch.zeros(16, 3), torch.zeros(17, 3))


def test_pcp():
    with pytest.raises(ValueError, match="must have the same joints"):
        vp.pcp(torch.zeros(16, 3), torch.zeros(17, 3), vp.H36M_17.limbs)


def test_losses_and_skeletons():
    with pytest.raises(ValueError, match="predicted must have truth's shape"):
        vp.coordinate_loss(torch.zeros(1, 16, 3), torch.zeros(1, 17, 3))
    with pytest.raises(ValueError, match="positions must have 17 joints"):
        vp.mirror_joints(torch.zeros(16, 3), vp.H36M_17)
    with pytest.raises(ValueError, match="lengths must name 16 limbs, got 15"):
        vp.root_depth_from_limbs(
            torch.zeros(1, 17, 3),
            vp.Box.from_corner(0, 0, 9, 9),
            vp.Camera.guess(9, 9),
            vp.H36M_17.limbs,
            torch.zeros(15),
        )
