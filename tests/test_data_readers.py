"""Every layout of every data set, from its files to a metric pose; see `tests/twins`."""

import json
import pickle
import shutil
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io
import torch

from tests.twins import h36m, mocap, others
from tests.twins.film import film, frame_number, joints_of
from tests.twins.film import seen_by as film_rows
from volpose.__main__ import main
from volpose.affine import AffineCamera
from volpose.data.files import read_pickle
from volpose.data.h36m_names import read_name
from volpose.data.opening import open_data, recognize
from volpose.data.protocols import PROTOCOLS
from volpose.data.resection import fit_pinhole
from volpose.data.samples import Samples
from volpose.decode import metric_pose, peak_voxel
from volpose.grid import Grid
from volpose.metrics import mpjpe, pa_mpjpe, root_relative
from volpose.skeleton import H36M_17, HUMANEVA_15, KTH_14, MPII_16
from volpose.targets import gaussian_volume

# kind of data, split, joints, and the function that writes the twin
METRIC = {
    "authors": ("h36m", "test", H36M_17, h36m.write_authors),
    "authors-h5": ("h36m", "test", H36M_17, lambda f: h36m.write_authors(f, struct=False)),
    "mmpose": ("h36m", "test", H36M_17, h36m.write_mmpose),
    "h36m-fetch": ("h36m", "test", H36M_17, h36m.write_processed),
    "h36m-fetch-old": ("h36m", "test", H36M_17, lambda f: h36m.write_processed(f, universal=True)),
    "subjects-json": ("h36m", "test", H36M_17, h36m.write_json),
    "humaneva": ("humaneva", "test", HUMANEVA_15, others.write_humaneva),
    "kth": ("kth", "test", KTH_14, others.write_kth),
    "bvh": ("mocap", "train", H36M_17, mocap.write_bvh),
    "videopose": ("mocap", "test", H36M_17, h36m.write_videopose),
    "acclaim": ("mocap", "train", H36M_17, mocap.write_acclaim),
}
SKELETAL = ("bvh", "acclaim")  # bones of which no joint follows for the nose, the spine, the pelvis
FLAT = ("mat", "json", "h5")
FILMED = tuple(name for name in METRIC if METRIC[name][0] != "mocap")
SIZE = 64


@pytest.fixture(scope="module")
def twins(tmp_path_factory):
    """The folder of each twin, written when first asked for."""
    written = {}

    def folder_of(name: str) -> Path:
        if name not in written:
            folder = tmp_path_factory.mktemp(name) / "data"
            if name in FLAT:
                written[name] = others.write_mpii(folder, name)
            else:
                written[name] = METRIC[name][3](folder)
        return written[name]

    return folder_of


@pytest.fixture
def opened(twins):
    def open_twin(name: str, **options):
        kind, split = METRIC[name][:2] if name in METRIC else ("mpii", "train")
        return open_data(f"{kind}:{twins(name)}", split, size=SIZE, **options)

    return open_twin


def seen_by(name: str, data) -> list[tuple[int, int]]:
    """Camera and row of the film that each sample shows."""
    return film_rows(METRIC[name][0], data.people)


def truth_of(name: str, data) -> torch.Tensor:
    """The film's poses in the samples' cameras, from the root."""
    skeleton = METRIC[name][2]
    poses = []
    for view, row in seen_by(name, data):
        pose = joints_of(film()[view].pose, skeleton)[row]
        if METRIC[name][0] == "mocap":  # which has no film's camera but one straight ahead
            world = film()[view].world[row]
            pose = torch.stack([world[:, 0], -world[:, 2], world[:, 1]], -1)
        if name in SKELETAL:
            hips = [skeleton.index("left_hip"), skeleton.index("right_hip")]
            pose[skeleton.root] = pose[hips].mean(0)  # a convention of motion capture
        poses.append(pose)
    return root_relative(torch.stack(poses), skeleton.root)


def lifted(data, batch) -> torch.Tensor:
    """Places as targets, targets as volumes, and back: what a perfect network would say."""
    grid = Grid()
    places = batch.places(grid.crop_size)
    voxels = torch.cat([peak_voxel(gaussian_volume(p[None], grid)) for p in grid.to_voxels(places)])
    found = grid.to_places(voxels)
    return metric_pose(found, batch.box, batch.camera, batch.root_depth)


@pytest.mark.parametrize("name", METRIC)
def test_a_perfect_network_is_at_the_floor(opened, name):
    data = opened(name)
    assert isinstance(data, Samples)
    assert sorted(seen_by(name, data)) == sorted(set(seen_by(name, data)))
    assert len(data) == (4 if METRIC[name][0] == "mocap" else 12)
    truth = truth_of(name, data)
    relative = root_relative(data.people.pose, data.skeleton.root)
    trunk = [data.skeleton.joints[j] in ("spine", "nose") for j in range(truth.shape[1])]
    solid = ~torch.tensor(trunk) | (name not in SKELETAL)
    assert (relative - truth).norm(dim=-1)[:, solid].max() < 1
    some = range(0, len(data), 5)  # a sample of each camera
    batch = data.batch(some)
    known = batch.pose.isfinite().all(-1)
    missing = {batch.skeleton.joints[j] for j in (~known).any(0).nonzero()[:, 0].tolist()}
    assert missing == ({"nose"} if name in SKELETAL else set())
    truth, predicted = truth[list(some)], lifted(data, batch)
    if name in SKELETAL:  # the middle of the trunk stands for the spine
        known[:, H36M_17.index("spine")] = False
    predicted = root_relative(predicted, batch.skeleton.root)
    assert mpjpe(predicted, truth, known).max() < 3
    assert pa_mpjpe(predicted, truth, known).max() < 3


@pytest.mark.parametrize("name", FILMED)
def test_pictures_show_the_boxes(opened, name):
    data = opened(name)
    batch = data.batch([len(data) - 1, 0])
    for k, (view, row) in enumerate(seen_by(name, data)[i] for i in (-1, 0)):
        whole = np.asarray(film()[view].pictures[row]).astype(float)
        for joint in range(0, batch.skeleton.num_joints, 3):
            x, y = batch.joints[k, joint].long().tolist()
            u, v = (batch.places(SIZE)[k, joint, :2]).long().clamp(0, SIZE - 1).tolist()
            there = whole[max(0, y - 3) : y + 4, max(0, x - 3) : x + 4].mean()
            here = batch.image[k, :, max(0, v - 1) : v + 2, max(0, u - 1) : u + 2].float().mean()
            assert abs(there - here.item()) < 40
    assert (batch.image.float().flatten(1).std(1) > 10).all()


@pytest.mark.parametrize("name", METRIC)
def test_left_is_left(opened, name):
    """Left is where up x forward points; forward is where the nose of the film's actor is."""
    data = opened(name)
    pose, skeleton = data.people.pose, data.skeleton
    joint = {k: pose[:, n] for n, k in enumerate(skeleton.joints)}
    for k, (view, row) in enumerate(seen_by(name, data)):
        actor = film()[view].world[row] if METRIC[name][0] == "mocap" else film()[view].pose[row]
        if METRIC[name][0] == "mocap":
            actor = torch.stack([actor[:, 0], -actor[:, 2], actor[:, 1]], -1)
        head, thorax, pelvis = (actor[H36M_17.index(j)] for j in ("head_top", "thorax", "pelvis"))
        forward = actor[H36M_17.index("nose")] - (head + thorax) / 2
        left = torch.linalg.cross(head - pelvis, forward)
        for part in ("hip", "shoulder"):
            across = joint[f"left_{part}"][k] - joint[f"right_{part}"][k]
            assert (across @ left) / across.norm() / left.norm() > 0.5
        if forward[2] < -0.7 * forward.norm() and METRIC[name][0] != "mocap":  # he faces the camera
            px = data.batch([k]).joints[0]
            assert px[skeleton.index("left_hip"), 0] > px[skeleton.index("right_hip"), 0]
        for side in ("left", "right"):  # and each leg hangs from its own hip
            chain = [joint[f"{side}_{part}"][k] for part in ("hip", "knee", "ankle")]
            thigh, shin = (chain[1] - chain[0]).norm(), (chain[2] - chain[1]).norm()
            assert 350 < thigh < 520
            assert 350 < shin < 520


def test_some_frame_faces_the_camera():
    forward = [v.pose[:, 9] - (v.pose[:, 8] + v.pose[:, 10]) / 2 for v in film()]
    assert any((f[:, 2] < -0.7 * f.norm(dim=1)).any() for f in forward)


@pytest.mark.parametrize("form", FLAT)
def test_mpii_has_pixels_and_no_depth(opened, form):
    data = opened(form)
    assert len(data) == 12
    assert data.skeleton is MPII_16
    assert isinstance(data.people.camera, AffineCamera)
    batch = data.batch(range(12))
    truth = torch.cat([v.camera.project(joints_of(v.pose, MPII_16)) for v in film()])
    wrist = MPII_16.index("right_wrist")
    assert batch.joints[0, wrist].isnan().all()
    truth[0, wrist] = torch.nan
    assert torch.allclose(batch.joints, truth, atol=0.02, equal_nan=True)
    places = batch.places()
    assert places[..., 2].isnan().all()
    assert places[1:, :, :2].isfinite().all()
    assert (gaussian_volume(Grid().to_voxels(places[:1]), Grid()) == 0).all()
    assert (batch.image.float().flatten(1).std(1) > 10).all()
    own = opened("json").people  # all forms mean the same boxes
    assert torch.allclose(data.people.box_center[:12], own.box_center, atol=1e-3)
    assert torch.allclose(data.people.box_side[:12], own.box_side, atol=1e-3)
    if form == "mat":
        assert data.unusable == {"no box, or one without a size": 1}


def test_kinds_are_recognized(twins):
    for name in METRIC:
        assert recognize(twins(name)) == METRIC[name][0]
    for form in FLAT:
        assert recognize(twins(form)) == "mpii"


def test_mpii_without_a_list_of_pictures_is_no_human36m(tmp_path):
    folder = others.write_mpii(tmp_path / "mpii", "h5")
    (folder / "annot" / "train_images.txt").unlink()  # the PyTorch stacked hourglass has none
    assert recognize(folder) == "mpii"
    assert len(open_data(f"mpii:{folder}", "train")) == 12


def test_an_archive_of_poses_is_found_beside_others(opened, tmp_path):
    folder = h36m.write_videopose(tmp_path / "data")
    np.savez(folder / "data_2d_h36m_gt.npz", positions_2d=np.zeros(3), metadata=np.zeros(1))
    both = open_data(f"mocap:{folder}").people.pose
    assert torch.equal(both, opened("videopose").people.pose)
    np.savez(folder / "data_3d_other.npz", positions_3d=np.zeros(3))
    with pytest.raises(ValueError, match=r"data_3d_h36m\.npz and data_3d_other\.npz; name one"):
        open_data(f"mocap:{folder}")


def test_json_cameras_may_say_where_they_stand(opened, tmp_path):
    folder = h36m.write_json(tmp_path / "json")
    path = folder / "annotations" / "Human36M_subject9_camera.json"
    cameras = json.loads(path.read_text())
    for camera in cameras.values():  # as h36m2coco.py writes it, R (x - t) and not R x + t
        camera["t"] = (-np.array(camera["R"]).T @ camera["t"]).tolist()
    path.write_text(json.dumps(cameras))
    other = open_data(f"h36m:{folder}").people.pose
    assert torch.allclose(other, opened("subjects-json").people.pose, atol=0.1)


def test_subjects_actions_and_frames(opened):
    batch = opened("mmpose").batch([0, 11])
    assert (batch.subject, batch.action) == (["S9", "S9"], ["Walking", "Walking"])
    assert opened("humaneva")[0].action == "Walking"
    assert opened("kth")[0].subject == "Player 2"
    assert opened("acclaim")[0].subject == "09"
    assert len(opened("authors", step=10)) == 6
    assert opened("authors", step=10).people.frame.tolist()[:2] == [1, 11]
    assert len(opened("bvh", step=2)) == 2
    assert str(opened("authors")).startswith("Human3.6M test (authors' layout), 12 samples")


def test_films_that_others_have_thinned_stay_as_they_are(opened):
    people = opened("authors").people  # every 5th frame

    def left(frame, step=5):
        found = replace(people, frame=frame).every(step)
        return len(found), found.frame_step

    every, number = people.frame, (people.frame - 1) // 5
    assert left(every) == (12, 5)
    assert left(every, step=10) == (6, 10)
    assert left(1 + number) == (3, 5)  # a whole film
    assert left(1 + 64 * number) == (12, 64)  # as h36m-fetch unpacks S9 and S11
    assert left(every + 1) == (12, 5)  # 2, 7, 12, ...
    assert left(every + 1, step=10) == (6, 10)
    assert left(1 + 2 * number) == (12, 2)  # 25 a second: no 5th frame of these is there
    assert left(1 + number * (number + 5) // 2, step=50) == (12, 4)  # where he moves


def test_cameras_stand_where_the_files_say(opened):
    """World coordinates: feet near the floor, a head 1.5 m above."""
    for name in ("mmpose", "humaneva"):
        data = opened(name)
        batch = data.batch(range(len(data)))
        world = batch.camera.to_world(batch.pose)
        rows = [film()[view].world[row] for view, row in seen_by(name, data)]
        truth = joints_of(torch.stack(rows), data.skeleton)
        assert torch.allclose(world, truth, atol=3.0)


def test_names_mean_exactly_one_action():
    path = Path("list.txt")
    assert read_name("S9_SittingDown 1.55011271_000006.jpg", path).action == "SittingDown"
    assert read_name("x/S11_Sitting.60457274_000001", path).action == "Sitting"
    assert read_name("S1_TakingPhoto_1.54138969_000001.png", path).action == "Photo"
    assert read_name("S1_WalkingDog_2.54138969_000001.jpg", path).action == "WalkDog"
    assert read_name("S1_WalkingTogether.54138969_000001.jpg", path).action == "WalkTogether"
    for bad in ("S2_Sitting.60457274_000001", "S9_Sit.60457274_000001", "a.jpg", "S9_Sitting.1_1"):
        with pytest.raises(ValueError, match=r"list\.txt"):
            read_name(bad, path)


@pytest.fixture
def broken(twins, tmp_path):
    """A twin of one's own, to damage."""

    def copy(name: str) -> Path:
        return Path(shutil.copytree(twins(name), tmp_path / name))

    return copy


def refused(spec: str, split: str = "test") -> str:
    with pytest.raises((ValueError, OSError)) as caught:
        open_data(spec, split).batch([0])
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_mistakes_are_named(broken, tmp_path):
    folder = broken("authors")
    assert "train_images.txt: not found" in refused(f"h36m:{folder}", "train")
    (folder / "annot" / "valid.mat").unlink()
    assert "valid.h5: expected S (mm) and part (px) in it, or valid.mat" in refused(
        f"h36m:{folder}"
    )
    folder = broken("kth")
    assert "no sequence belongs to train; found Player 2 Sequence 1" in refused(
        f"kth:{folder}", "train"
    )
    cameras = folder / "player2" / "Sequence 1" / "cameras.txt"
    cameras.write_text(cameras.read_text()[:-4])
    assert "cameras.txt: does not end with a line break" in refused(f"kth:{folder}")
    assert "S9: not found; expected folders of the subjects" not in refused(f"h36m:{tmp_path}")
    assert "no Human3.6M in it; expected annot/valid.h5" in refused(f"h36m:{tmp_path}")
    assert "data must be KIND:PATH" in refused("lsp:/data")
    assert "no such folder" in refused(f"mpii:{tmp_path / 'nowhere'}")
    assert "no public joints" in refused(f"mpii:{broken('mat')}")
    assert "its skeleton, 09.asf" in _without_skeleton(broken("acclaim"))


def _without_skeleton(folder: Path) -> str:
    (folder / "09.asf").unlink()
    return refused(f"mocap:{folder}", "train")


def test_missing_and_damaged_pictures_are_named(broken):
    folder = broken("authors")
    first = sorted((folder / "images").iterdir())[0]
    data = open_data(f"h36m:{folder}")
    first.write_bytes(first.read_bytes()[:500])
    with pytest.raises(ValueError, match=f"{first.name}: damaged, or not an image"):
        data.batch([0])
    first.unlink()
    with pytest.raises(FileNotFoundError, match=f"{first.name}: no such file"):
        data.batch([0])
    with pytest.raises(IndexError, match="below 12"):
        data.batch([12])


def test_meters_are_not_taken_for_millimeters(broken):
    folder = broken("mmpose")
    path = folder / "annotation_body3d" / "fps10" / "h36m_test.npz"
    stored = dict(np.load(path))
    stored["S"][..., :3] *= 1000
    np.savez(path, **stored)
    assert "12 of 12 samples contradict themselves, so rows, units or joint orders" in refused(
        f"h36m:{folder}"
    )


def test_bad_rows_are_left_out_and_counted(broken):
    folder = broken("authors-h5")
    with h5py.File(folder / "annot" / "valid.h5", "r+") as stored:
        stored["S"][2, 5] = np.nan
        stored["center"][4] += 40
        stored["scale"][5] = 0
        stored["part"][7] += 30
    data = open_data(f"h36m:{folder}")
    assert len(data) == 8
    assert data.unusable == {
        "a joint is missing (NaN)": 1,
        "contradiction: joints are outside their box": 1,
        "no box, or one without a size": 1,
        "contradiction: 2D and 3D joints disagree": 1,
    }
    assert str(data).endswith("4 unusable left out")


def test_a_cut_last_line_costs_the_last_frame(broken):
    folder = broken("bvh")
    path = folder / "09_01.bvh"
    path.write_text(path.read_text()[:-3])
    data = open_data(f"mocap:{folder}", "train")
    assert data.unusable == {"a joint is missing (NaN)": 1}


def test_pickles_do_not_run(tmp_path):
    class Bomb:
        def __reduce__(self):
            return Path.touch, (tmp_path / "exploded",)

    path = tmp_path / "cameras.pkl"
    for value in (Bomb(), {"a": Bomb()}, np.array([Bomb()], dtype=object)):
        path.write_bytes(pickle.dumps(value))
        with pytest.raises(ValueError, match=r"cameras\.pkl: damaged, or not a pickle of plain"):
            read_pickle(path)
    assert not (tmp_path / "exploded").exists()
    value = {("S1", "x"): {"f": np.eye(2), "n": np.float32(2), "name": "a"}, "l": [1, (2.0, None)]}
    for protocol in range(2, 6):
        path.write_bytes(pickle.dumps(value, protocol=protocol))
        found = read_pickle(path)
        assert np.array_equal(found["S1", "x"]["f"], np.eye(2))
        assert (found["S1", "x"]["n"], found["l"]) == (2.0, [1, (2.0, None)])


def test_a_camera_is_found_from_points():
    view = film()[1]
    world, px = view.world.numpy(), view.joints.numpy()
    focal, center, rotation, position = fit_pinhole(world, px, "test")
    camera = view.camera[0]
    assert np.allclose(focal, camera.focal, rtol=1e-3)
    assert np.allclose(center, camera.center, atol=0.5)
    assert np.allclose(rotation, camera.rotation, atol=1e-3)
    assert np.allclose(position, camera.position, atol=10)
    with pytest.raises(ValueError, match="do not belong together"):
        fit_pinhole(np.roll(world, 1, axis=0), px, "test")


def test_affine_cameras_project_and_lift():
    torch.manual_seed(1)
    matrix = torch.randn(5, 2, 4)
    camera = AffineCamera.from_matrix(matrix)
    world = 100 * torch.randn(5, 7, 3)
    px = world @ matrix[..., :3].mT + matrix[..., None, :, 3]
    points = camera.to_camera(world)
    assert torch.allclose(camera.project(points), px, atol=1e-3)
    assert torch.allclose(camera.back_project(px, points[..., 2]), points, atol=1e-2)
    assert torch.allclose(camera.to_world(points), world, atol=1e-3)
    assert torch.allclose(torch.linalg.det(camera.rotation), torch.ones(5), atol=1e-5)
    cut = camera.cropped(torch.tensor([3.0, -4.0]), torch.tensor(2.0))
    assert torch.allclose(cut.project(points), 2 * (px - torch.tensor([3.0, -4.0])), atol=1e-3)
    assert torch.allclose(camera[2].project(points[2]), px[2], atol=1e-3)
    with pytest.raises(ValueError, match="must be above"):
        AffineCamera.from_matrix(torch.ones(2, 4))


def test_protocols_are_one_line_each():
    assert {p.data for p in PROTOCOLS.values()} == {"h36m", "humaneva", "kth", "mpii"}
    for protocol in PROTOCOLS.values():
        assert "\n" not in str(protocol)
        assert set(protocol.root) <= set(protocol.skeleton.joints)
    assert "every 5th frame" in str(PROTOCOLS["table4"])
    assert "protocol" not in " ".join(map(str, PROTOCOLS.values())).lower()


def test_data_check(twins, broken, capsys, tmp_path):
    assert main(["data", "check", str(twins("mmpose"))]) == 0
    out = capsys.readouterr().out
    assert "train: " in out
    assert "Human3.6M test (mmpose layout, fps10): 12 of 12 samples usable" in out
    folder = broken("kth")
    (folder / "player2" / "Sequence 1" / "Camera 2" / "00003.png").unlink()
    assert main(["data", "check", f"kth:{folder}"]) == 0
    assert "1 pictures missing, the first is" in capsys.readouterr().out
    assert main(["data", "check", str(tmp_path / "nowhere")]) == 2
    (tmp_path / "thesis.txt").write_text("mine")
    shutil.rmtree(folder)
    assert main(["data", "check", str(tmp_path)]) == 2
    assert "found kth, thesis.txt" not in capsys.readouterr().out
    assert main(["data", "protocols"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(PROTOCOLS)


def test_real_struct_of_one_picture(broken):
    """A MATLAB file of one sample has lost dimensions on the way."""
    folder = broken("authors")
    data, names = h36m.columns(h36m.AUTHORS), h36m.names()[:1]
    one = {key: values[:1] for key, values in data.items()}
    h36m.write_struct(folder / "annot" / "valid.mat", one, names)
    (folder / "annot" / "valid_images.txt").write_text(f"{names[0]}.jpg\n")
    with h5py.File(folder / "annot" / "valid.h5", "w") as stored:
        stored["center"], stored["scale"] = one["center"], one["scale"]
    sample = open_data(f"h36m:{folder}")[0]
    assert torch.allclose(sample.pose, film()[0].pose[0], atol=0.1)
    assert frame_number(0) == 1
    assert scipy.io.loadmat(folder / "annot" / "valid.mat")["annot"].shape == (1, 1)
