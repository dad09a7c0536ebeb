"""Joint orders, their trees, their mirrors, and the ways from one to another."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from volpose.skeleton import (
    COCO_17,
    H36M_17,
    HUMANEVA_15,
    KTH_14,
    MPII_16,
    SKELETONS,
    Skeleton,
    convert_joints,
    mirror_joints,
)

ALL = list(SKELETONS.values())
every_skeleton = pytest.mark.parametrize("skeleton", ALL, ids=list(SKELETONS))

# A person who faces the camera, in the camera frame (x right, y down): his left is at x > 0.
FACING = {
    "head_top": (0, -70),
    "nose": (0, -60),
    "neck": (0, -52),
    "left_eye": (3, -63),
    "left_ear": (7, -61),
    "left_shoulder": (18, -45),
    "left_elbow": (25, -20),
    "left_wrist": (27, 5),
    "left_hip": (12, 0),
    "left_knee": (13, 45),
    "left_ankle": (13, 88),
    "right_eye": (-3, -63),
    "right_ear": (-7, -61),
    "right_shoulder": (-18, -45),
    "right_elbow": (-27, -22),
    "right_wrist": (-35, -2),
    "right_hip": (-12, 0),
    "right_knee": (-12, 45),
    "right_ankle": (-14, 88),
    "pelvis": (0, 0),
    "spine": (0, -22.5),
    "thorax": (0, -45),
}


def facing(skeleton: Skeleton) -> torch.Tensor:
    return torch.tensor([FACING[name] for name in skeleton.joints], dtype=torch.float64)


def test_h36m_is_in_its_native_order_with_the_right_leg_first():
    assert H36M_17.joints == (
        *("pelvis", "right_hip", "right_knee", "right_ankle"),
        *("left_hip", "left_knee", "left_ankle"),
        *("spine", "thorax", "nose", "head_top"),
        *("left_shoulder", "left_elbow", "left_wrist"),
        *("right_shoulder", "right_elbow", "right_wrist"),
    )
    assert H36M_17.parents == (-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 9, 8, 11, 12, 8, 14, 15)
    assert H36M_17.mirror == (0, 4, 5, 6, 1, 2, 3, 7, 8, 9, 10, 14, 15, 16, 11, 12, 13)


def test_mpii_pairs_and_parents_are_the_published_ones():
    pairs = {frozenset(pair) for pair in MPII_16.mirror_pairs}
    published = [(0, 5), (1, 4), (2, 3), (10, 15), (11, 14), (12, 13)]
    assert pairs == {frozenset(pair) for pair in published}
    assert MPII_16.parents == (1, 2, 6, 6, 3, 4, -1, 6, 7, 8, 11, 12, 7, 7, 13, 14)


def test_humaneva_matches_the_common_conversion_tool():
    assert HUMANEVA_15.parents == (-1, 0, 1, 2, 3, 1, 5, 6, 0, 8, 9, 0, 11, 12, 1)
    assert [j for j in range(15) if HUMANEVA_15.is_left(j)] == [2, 3, 4, 8, 9, 10]
    assert [j for j in range(15) if HUMANEVA_15.is_right(j)] == [5, 6, 7, 11, 12, 13]


def test_kth_and_coco_have_the_documented_trees():
    assert KTH_14.joints[KTH_14.root] == "neck"
    assert KTH_14.joints[:3] == ("right_ankle", "right_knee", "right_hip")
    assert KTH_14.joints[-2:] == ("neck", "head_top")
    assert COCO_17.joints[COCO_17.root] == "nose"
    assert COCO_17.joints[5:7] == ("left_shoulder", "right_shoulder")
    assert KTH_14.parents == (1, 2, 8, 9, 3, 4, 7, 8, 12, 12, 9, 10, -1, 12)
    assert COCO_17.parents == (-1, 0, 0, 1, 2, 0, 0, 5, 6, 7, 8, 5, 6, 11, 12, 13, 14)


@pytest.mark.parametrize(
    ("name", "count"),
    [("h36m17", 17), ("mpii16", 16), ("humaneva15", 15), ("kth14", 14), ("coco17", 17)],
)
def test_number_of_joints(name, count):
    assert SKELETONS[name].num_joints == count
    assert len(SKELETONS[name].limbs) == count - 1


@every_skeleton
def test_limbs_join_each_joint_to_its_parent(skeleton):
    assert {joint for _, joint in skeleton.limbs} == set(range(skeleton.num_joints)) - {
        skeleton.root
    }
    assert all(skeleton.parents[joint] == parent for parent, joint in skeleton.limbs)


@every_skeleton
def test_arms_and_legs_stay_on_one_side(skeleton):
    for side in ("left_", "right_"):
        for joint, parent in [
            ("wrist", "elbow"),
            ("elbow", "shoulder"),
            ("ankle", "knee"),
            ("knee", "hip"),
        ]:
            limb = (skeleton.index(side + parent), skeleton.index(side + joint))
            assert limb in skeleton.limbs


@every_skeleton
def test_mirror_pairs_follow_the_names(skeleton):
    for left, right in skeleton.mirror_pairs:
        assert skeleton.joints[left].removeprefix("left_") == skeleton.joints[right].removeprefix(
            "right_"
        )
        assert skeleton.is_left(left)
        assert skeleton.is_right(right)
    for joint, name in enumerate(skeleton.joints):
        assert skeleton.is_left(joint) == name.startswith("left_")
        assert skeleton.is_right(joint) == name.startswith("right_")


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(ALL), st.lists(st.integers(0, 3), max_size=2), st.integers(0, 2**31))
def test_mirrored_twice_is_the_same(skeleton, batch, seed):
    generator = torch.Generator().manual_seed(seed)
    positions = torch.randn(*batch, skeleton.num_joints, 3, generator=generator)
    once = mirror_joints(positions, skeleton)
    assert torch.equal(mirror_joints(once, skeleton), positions)


@every_skeleton
def test_a_mirrored_person_has_left_on_the_left(skeleton):
    mirrored = mirror_joints(facing(skeleton) * torch.tensor([-1.0, 1.0]), skeleton)
    for joint in range(skeleton.num_joints):
        x = mirrored[joint, 0].item()
        assert (x > 0) == skeleton.is_left(joint)
        assert (x < 0) == skeleton.is_right(joint)


@pytest.mark.parametrize("source", ALL, ids=list(SKELETONS))
@pytest.mark.parametrize("target", ALL, ids=list(SKELETONS))
def test_conversion_keeps_every_joint_in_its_place(source, target):
    converted, known = convert_joints(facing(source), source, target)
    expected = facing(target)
    assert torch.allclose(converted[known], expected[known])
    assert converted[~known].isnan().all()
    assert all(known[j] for j, name in enumerate(target.joints) if name in source.joints)


@every_skeleton
def test_conversion_to_the_same_set_changes_nothing(skeleton):
    positions = torch.randn(2, 3, skeleton.num_joints, 2)
    converted, known = convert_joints(positions, skeleton, skeleton)
    assert torch.equal(converted, positions)
    assert known.all()


def test_coco_to_h36m_by_hand():
    converted, known = convert_joints(facing(COCO_17), COCO_17, H36M_17)
    by_name = dict(zip(H36M_17.joints, converted.tolist(), strict=True))
    assert by_name["left_hip"] == [12, 0]
    assert by_name["right_hip"] == [-12, 0]
    assert by_name["pelvis"] == [0, 0]
    assert by_name["thorax"] == [0, -45]
    assert by_name["spine"] == [0, -22.5]
    assert by_name["nose"] == [0, -60]
    assert [n for n, k in zip(H36M_17.joints, known, strict=True) if not k] == ["head_top"]


def test_a_joint_that_the_set_has_is_never_derived():
    positions = facing(MPII_16)
    positions[MPII_16.index("pelvis")] = torch.tensor([1.0, 2.0])
    converted, known = convert_joints(positions, MPII_16, H36M_17)
    assert converted[0].tolist() == [1, 2]
    assert converted[H36M_17.index("spine")].tolist() == [0.5, -21.5]
    assert not known[H36M_17.index("nose")]


def test_a_missing_joint_spoils_only_what_depends_on_it():
    positions = facing(COCO_17)
    positions[COCO_17.index("left_hip")] = torch.nan
    converted, _ = convert_joints(positions, COCO_17, H36M_17)
    lost = {n for n, p in zip(H36M_17.joints, converted, strict=True) if p.isnan().any()}
    assert lost == {"left_hip", "pelvis", "spine", "head_top"}


def test_conversion_passes_gradients_on():
    positions = facing(COCO_17).requires_grad_()
    converted, known = convert_joints(positions, COCO_17, H36M_17)
    converted[known].sum().backward()
    assert positions.grad.isfinite().all()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ((("a", "a"), (-1, 0), ()), "'a' is used twice"),
        ((("a", "b"), (-1,), ()), "one entry for each of the 2 joints, but it has 1"),
        ((("a", "b"), (-1, -1), ()), "one parent must be -1, but 2 are"),
        ((("a", "b", "c"), (-1, 2, 1), ()), "must be a tree"),
        ((("a", "b"), (-1, 5), ()), "the parent of b must be a joint index or -1, but it is 5"),
        ((("a", "b"), (-1, 0), ((0, 1), (1, 0))), "a is in mirror_pairs twice"),
        ((("a", "b"), (-1, 0), ((0, 7),)), "below 2, but one is 7"),
    ],
)
def test_a_broken_skeleton_is_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        Skeleton("broken", *fields)


def test_wrong_joint_count_and_unknown_name_are_refused():
    with pytest.raises(ValueError, match=r"17 joints \(skeleton h36m17\).*\(5, 16, 3\)"):
        mirror_joints(torch.zeros(5, 16, 3), H36M_17)
    with pytest.raises(ValueError, match="16 joints"):
        convert_joints(torch.zeros(17, 3), MPII_16, H36M_17)
    with pytest.raises(ValueError, match="but it is 'left_toe'"):
        H36M_17.index("left_toe")
