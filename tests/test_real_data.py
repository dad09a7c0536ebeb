"""Real data sets from their files to the printed table: evaluate, train, reproduce."""

import json
import shutil

import pytest
import torch
from torch import nn

from tests.small import NETWORK
from tests.test_cli import refused
from tests.twins import h36m, mocap, others
from tests.twins.film import film, seen_by
from volpose.__main__ import main
from volpose.affine import AffineCamera
from volpose.crop import to_crop
from volpose.data.dataset import PeopleData
from volpose.data.opening import open_under
from volpose.data.protocols import PROTOCOLS, protocol_of
from volpose.decode import limb_lengths, orthographic_pose
from volpose.estimator import Estimator
from volpose.evaluate import evaluate, predict_batch
from volpose.evaluate_real import TABLE_6, evaluate_real, pckh
from volpose.network import NetworkConfig
from volpose.reproduce.published import AVERAGE, PAPER, PUBLISHED
from volpose.skeleton import H36M_17, HUMANEVA_15, KTH_14, MPII_16
from volpose.targets import gaussian_volume

WRITERS = {
    "h36m": h36m.write_authors,
    "humaneva": others.write_humaneva,
    "kth": others.write_kth,
    "mpii": lambda folder: others.write_mpii(folder, "json"),
}
SKELETONS = {"h36m": H36M_17, "humaneva": HUMANEVA_15, "kth": KTH_14, "mpii": MPII_16}
OURS = {"table4": "h36m", "table5": "h36m", "table6": "humaneva", "table7": "kth"}
CONFIG = NetworkConfig(z_bins=(64,), image_size=128)
WEIGHTS = "oracle.safetensors"


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """The folder of each kind of data; all show the film."""
    return {kind: write(tmp_path_factory.mktemp(kind) / "data") for kind, write in WRITERS.items()}


class Oracle(Estimator):
    """A network that draws Human3.6M's joints where they are in what was read last."""

    shown: tuple = ()

    def volume(self, images, mirror=False):
        people, batch = self.shown
        kind = next(kind for kind, skeleton in SKELETONS.items() if batch.skeleton is skeleton)
        volumes = []
        for k, (view, row) in enumerate(seen_by(kind, people)[n] for n in batch.index):
            pose, px = film()[view].pose[row], film()[view].joints[row]
            if kind == "kth":  # an affine camera sees no perspective
                camera = batch.camera[k]
                px = camera.project(camera.to_camera(film()[view].world[row]))
            flat = to_crop(px, batch.box[k], CONFIG.image_size)
            places = torch.cat([flat, pose[:, 2:] - pose[H36M_17.root, 2]], -1)
            volumes.append(gaussian_volume(self.grid.to_voxels(places), self.grid))
        return torch.stack(volumes)


def film_limbs() -> torch.Tensor:
    """Mean limb lengths of the film's actor, mm."""
    pose = torch.cat([view.pose for view in film()])
    return limb_lengths(pose, H36M_17.limbs).mean(0)


@pytest.fixture
def oracle(monkeypatch, tmp_path):
    """Every network is the oracle, and the working folder is empty."""
    card = {"data": "Human3.6M train (film)", "subjects": ["S1", "S5", "S6", "S7", "S8"]}
    card["mean_limbs_mm"] = film_limbs().tolist()
    network, read = Oracle(CONFIG, nn.Linear(1, 1), card), PeopleData.batch

    def batch(self, indices):
        monkeypatch.setattr(Oracle, "shown", (self.people, read(self, indices)))
        return network.shown[1]

    monkeypatch.setattr(PeopleData, "batch", batch)
    monkeypatch.setattr("volpose.pretrained.load", lambda name: network)
    monkeypatch.chdir(tmp_path)
    return network


def evaluated(kind: str, folder, *options: str) -> dict:
    """What `volpose evaluate` writes."""
    assert main(["evaluate", WEIGHTS, "--data", f"{kind}:{folder}", *options]) == 0
    split = "train" if "train" in options else "test"
    with open(f"oracle-{kind}-{split}.json") as file:
        return json.load(file)


@pytest.mark.parametrize("root", ["truth", "own-limbs", "mean-limbs"])
def test_human36m(oracle, folders, capsys, root):
    found = evaluated("h36m", folders["h36m"], "--root", root)
    assert list(found["actions"]) == ["Walking"]
    assert found["samples"] == 12
    assert found["mean_of_frames"]["MPJPE mm"] < (3 if root == "truth" else 9)
    assert found["mean_of_frames"]["PA-MPJPE mm"] < 3
    assert found["mean_of_frames"]["PCK150 %"] == 100
    printed = capsys.readouterr().out
    head, told = printed.splitlines()[:2]
    assert head.startswith("Table 4: MPJPE mm, PA-MPJPE mm, PCK150 %, AUC % on h36m, train S1 S5")
    assert "test S9, every 5th frame" in head
    assert "cameras 54138969 55011271 58860488, 17 scored" in head
    unlike = ["test", "cameras"] + (["root source"] if root != "mean-limbs" else [])
    assert told == f"not as there: {', '.join(unlike)}"
    assert found["differences"] == unlike
    assert found["measured"]["skeleton"] == "h36m17"
    assert "mean of actions" in printed


def test_studio_weights_say_what_they_were_trained_on(oracle, folders):
    oracle.card["data"] = "studio train"
    found = evaluated("h36m", folders["h36m"], "--count", "5")
    assert found["measured"]["train"] == ["studio train"]
    assert found["samples"] == 5
    assert found["differences"] == ["train", "test", "cameras", "root source", "number of frames"]
    assert "5 samples of 128 px, evenly spread over 12" in found["protocol"]


def test_training_on_fewer_subjects_is_told(oracle, folders):
    oracle.card["subjects"] = ["S1"]
    found = evaluated("h36m", folders["h36m"], "--count", "2", "--root", "mean-limbs")
    assert found["measured"]["train"] == ["S1"]
    assert found["differences"][0] == "train"


def test_what_a_network_saw_before_its_last_training_is_told(oracle, folders):
    oracle.card["start"] = {"data": "studio train", "start": {"data": "Human3.6M train (film)"}}
    oracle.card["start"]["start"]["subjects"] = ["S9"]
    found = evaluated("h36m", folders["h36m"], "--count", "2", "--root", "mean-limbs")
    assert found["measured"]["train"] == ["S1", "S5", "S6", "S7", "S8", "S9", "studio train"]
    assert found["differences"][0] == "train"


def test_humaneva(oracle, folders, capsys):
    found = evaluated("humaneva", folders["humaneva"])
    assert list(found["sequences"]) == ["Walking S1"]
    assert found["mean_of_sequences"]["MPJPE mm"] < 3
    assert found["mean_of_frames"]["PA-MPJPE mm"] < 3
    assert "test S1, every single frame, cameras C1 C2 C3, 15 scored" in capsys.readouterr().out
    assert PUBLISHED["table6"].lines[:-1] == TABLE_6


@pytest.mark.parametrize("root", [None, "truth", "own-limbs"])
def test_kth(oracle, folders, root):
    found = evaluated("kth", folders["kth"], *(["--root", root] if root else []))
    assert list(found["sequences"]) == ["Player 2, Sequence 1"]
    assert found["samples"] == 4  # of one camera
    assert set(found["mean_of_frames"].values()) == {100.0}
    assert len(found["mean_of_frames"]) == 8
    lift = {None: "the mean limb lengths of the training subjects", "truth": "true affine camera",
            "own-limbs": "the person's own limb lengths"}  # fmt: skip
    assert found["root_source"].endswith(lift[root])
    assert ("root source" in found["differences"]) == (root is not None)


def test_mpii_is_flat(oracle, folders, capsys):
    found = evaluated("mpii", folders["mpii"], "--split", "train")
    joints = ["head_top", "shoulder", "elbow", "wrist", "hip", "knee", "ankle"]
    assert list(found["joints"]) == joints
    assert [found["joints"][joint]["samples"] for joint in joints] == [12, 24, 24, 23, 24, 24, 24]
    assert found["mean_of_annotations"] == {"PCKh 2D %": 100.0}
    assert "PCKh 2D % on mpii" in capsys.readouterr().out
    assert "2D" in found["protocol"]


def test_pckh_by_hand():
    truth = torch.zeros(1, 16, 2)
    truth[0, MPII_16.index("head_top"), 1] = -10.0
    truth[0, 0] = torch.nan
    off = truth.nan_to_num(0.0)
    off[0, 1, 0], off[0, 2, 0] = 4.9, 5.1
    right, known = pckh(off, truth, MPII_16)
    assert right[0].tolist() == [False, True, False] + [True] * 13
    assert known[0].tolist() == [False] + [True] * 15


@pytest.mark.parametrize("table", OURS)
def test_tables_stand_beside_the_papers(oracle, folders, capsys, table):
    arguments = ["reproduce", table, "--data", str(folders[OURS[table]]), "--weights", WEIGHTS]
    assert main([*arguments, "--decoder", "peak"]) == 0
    first = capsys.readouterr().out
    assert f"written: results/reproduce/real/{table}-oracle.json" in first
    with open(f"results/reproduce/real/{table}-oracle.json") as file:
        stored = json.load(file)
    measured = "mean-limbs" if table != "table6" else "truth"
    assert ("mean limb" in stored["root_source"]) == (measured == "mean-limbs")
    for method, cells in PUBLISHED[table].methods.items():
        assert method in first
        for number in cells.values():
            assert f"{number:.{PUBLISHED[table].digits}f}" in first
    rows = [line for line in first.splitlines() if line.strip()]
    lines = {line.split("  ")[0]: line.split()[-1] for line in rows}
    if table == "table7":
        assert [lines[part] for part in PUBLISHED[table].lines] == ["100"] * 4
    else:
        assert float(lines[AVERAGE]) < (9 if table == "table4" else 3)
    if table in ("table4", "table6"):
        assert lines["Sitting" if table == "table4" else "Jogging S3"] == "-"
    assert "oracle: " in first
    assert "other than in the paper: test, cameras" in first or table in ("table6", "table7")
    assert main(["reproduce", table]) == 0  # again, from what is stored
    assert capsys.readouterr().out == first.partition("\n")[2]


def test_argmax_is_the_papers_decoder(oracle, folders):
    where = ["--data", f"h36m:{folders['h36m']}", "--weights", WEIGHTS, "--mirror"]
    assert main(["reproduce", "table5", *where]) == 0
    with open("results/reproduce/real/table5-oracle.json") as file:
        stored = json.load(file)
    assert "argmax decoding, mirror-averaged" in stored["protocol"]
    assert 5 < stored["mean_of_frames"]["PA-MPJPE mm"] < 40  # what voxels of 30 mm cost


@pytest.mark.parametrize("table", OURS)
def test_without_data_ours_is_missing(capsys, tmp_path, table):
    assert main(["reproduce", table, "--results", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert PAPER in printed
    assert f"ours is missing: volpose reproduce {table} --data PATH" in printed
    assert not list(tmp_path.iterdir())


def test_published_numbers_agree_with_each_other():
    """The averages that the paper prints; a slip in copying would show."""
    for method, cells in PUBLISHED["table6"].methods.items():
        mean = sum(n for line, n in cells.items() if line != AVERAGE) / 6
        assert abs(mean - cells[AVERAGE]) < 0.06, method
    cells = PUBLISHED["table4"].methods[PAPER]
    assert round((sum(cells.values()) - cells[AVERAGE]) / 15, 2) == 71.49
    assert set(PUBLISHED) == {key for key, p in PROTOCOLS.items() if p.table.startswith("Table")}


def test_a_damaged_result_is_named(capsys, tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "table6-x.json").write_text(
        '{"name": "x", "sequences": {"Walking S1": 1}}'
    )
    sentence = refused(capsys, "reproduce", "table6", "--results", str(tmp_path))
    assert "table6-x.json: not a result of Table 6" in sentence


def test_wrong_kinds_end_in_a_sentence(oracle, folders, capsys, tmp_path):
    spec = f"h36m:{folders['h36m']}"
    motions = mocap.write_bvh(tmp_path / "motions")
    for words, *arguments in (
        ("no pictures; expected one of h36m, humaneva", "evaluate", "x", "--data", "mocap:x"),
        ("no pictures; expected one of h36m", "train", "tiny", "--data", f"mocap:{motions}"),
        ("data must be studio:SPLIT, a rendered folder or KIND:PATH", "evaluate", "x",
         "--data", "lsp:/data"),
        ("--variation cannot be chosen for a real", "evaluate", "x", "--data", spec,
         "--variation", "wild"),
        ("--split cannot be chosen for the studio", "evaluate", "x", "--split", "train"),
        ("--root cannot be chosen for mpii", "evaluate", "x", "--data", f"mpii:{folders['mpii']}",
         "--root", "truth"),
        ("--cache cannot be chosen for a real", "train", "tiny", "--data", spec, "--cache", "c"),
        ("needs pictures with 2D labels", "train", "tiny", "--share-2d", "0.5"),
        ("studio: and one of default", "train", "tiny", "--data-2d", "studio:test"),
        ("no depth to train on", "train", "tiny", "--data", f"mpii:{folders['mpii']}"),
        ("data must be KIND:PATH", "train", "tiny", "--data", "studio:train"),
        ("data must be kth:PATH for Table 7, got 'h36m:", "reproduce", "table7", "--data", spec),
        ("no positions3d.txt", "reproduce", "table7", "--data", str(folders["h36m"])),
        ("no rendered split in it (studio.json); expected KIND:PATH", "evaluate", "x",
         "--data", str(folders["kth"])),
        ("no such folder", "reproduce", "table4", "--data", str(tmp_path / "nowhere")),
    ):  # fmt: skip
        assert words in refused(capsys, *arguments)
    assert "unrecognized arguments: --seeds" in refused(
        capsys, "reproduce", "table4", "--seeds", "2"
    )
    assert "unrecognized arguments: --data" in refused(capsys, "reproduce", "table1", "--data", "x")


def test_cameras_and_pictures_must_be_there(tmp_path):
    folder = others.write_kth(tmp_path / "data")
    scene = folder / "player2" / "Sequence 1"
    (scene / "Camera 1" / "00002.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"00002.png: no such picture; 1 of 4 are missing"):
        open_under(PROTOCOLS["table7"], f"kth:{folder}")


def test_a_network_needs_its_root(folders):
    data = open_under(PROTOCOLS["table4"], f"h36m:{folders['h36m']}", size=32, count=2)
    config = NetworkConfig(**{**NETWORK.__dict__, "skeleton": "kth14"})
    estimator = Estimator.untrained(config)
    with pytest.raises(ValueError, match=r"have no neck, from which this network measures depth"):
        evaluate(estimator, data)
    table = evaluate(estimator, data, root="own-limbs")
    assert table.counts == {"Walking": 2}
    with pytest.raises(ValueError, match="root must be one of"):
        evaluate_real(estimator, data, PROTOCOLS["table4"], "mine")
    with pytest.raises(ValueError, match="no pictures"):
        protocol_of("mocap")


def test_scale_from_limbs_is_the_cameras(oracle, folders):
    """What the limbs say of the scale is what the true camera says."""
    data = open_under(PROTOCOLS["table7"], f"kth:{folders['kth']}", size=128)
    batch = data.batch(range(len(data)))
    assert isinstance(batch.camera, AffineCamera)
    lifted, true = (predict_batch(oracle, batch, root) for root in ("own-limbs", "truth"))
    for pose in (lifted, true):
        pose -= pose[:, :1].clone()
    assert (lifted - true).norm(dim=-1).max() < 6


def test_orthographic_pose_by_hand():
    """Two limbs of 300 and 500 mm: one along x, one that goes 400 mm away from the camera."""
    places = torch.tensor([[10.0, 10.0, 0.0], [40.0, 10.0, 0.0], [40.0, 40.0, 400.0]])
    pose = orthographic_pose(places, [(0, 1), (1, 2)], torch.tensor([300.0, 500.0]))
    expected = torch.tensor([[100.0, 100, 0], [400, 100, 0], [400, 400, 400]])
    assert torch.allclose(pose, expected, atol=0.1)
    with pytest.raises(ValueError, match="lengths must name 2 limbs"):
        orthographic_pose(places, [(0, 1), (1, 2)], torch.ones(3))


def test_training_on_real_pictures(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    folder = h36m.write_training(tmp_path / "data")
    arguments = ["train", "tiny", "--data", f"h36m:{folder}", "--samples", "16", "--threads", "1"]
    assert main([*arguments, "--device", "cpu"]) == 0
    assert "trained: runs/tiny-h36m-seed0/weights.safetensors" in capsys.readouterr().out
    card = Estimator.load("runs/tiny-h36m-seed0/weights.safetensors").card
    assert card["data"] == "Human3.6M train (authors' layout), 24 samples of 64 px"
    assert card["subjects"] == ["S1", "S5"]
    assert card["recipe"]["images"] == 24
    assert card["recipe"]["variation"] == "none, real pictures"
    assert "the terms of Human3.6M train" in card["licence"]
    assert torch.allclose(torch.tensor(card["mean_limbs_mm"]), film_limbs(), atol=1.0)
    other = main([*arguments, "--device", "cpu", "--images", "20"])  # is another run
    assert other == 2
    start = "runs/tiny-h36m-seed0/weights.safetensors"
    assert main([*arguments, "--device", "cpu", "--start", start, "--rate", "0.002"]) == 0
    onward = Estimator.load("runs/tiny-h36m-from-tiny-h36m-seed0-seed0/weights.safetensors").card
    assert onward["recipe"]["start"] == Estimator.load(start).checksum()
    assert onward["recipe"]["learning_rate"] == 0.002
    assert onward["start"]["subjects"] == card["subjects"]


def test_training_with_photographs_that_have_2d_labels(folders, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = ["--data", f"h36m:{h36m.write_training(tmp_path / 'data')}"]
    data += ["--data-2d", f"mpii:{folders['mpii']}", "--share-2d", "0.125"]
    options = ["--samples", "32", "--threads", "1", "--device", "cpu"]
    assert main(["train", "tiny", *data, *options]) == 0
    card = Estimator.load("runs/tiny-h36m-2d-seed0/weights.safetensors").card
    assert card["recipe"]["share_2d"] == 0.125
    assert "2D labels: MPII" in card["data"]
    assert "the terms of Human3.6M train" in card["licence"]
    assert "the terms of MPII" in card["licence"]
    assert torch.allclose(torch.tensor(card["mean_limbs_mm"]), film_limbs(), atol=1.0)


def test_training_takes_the_joints_of_the_data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    scene = others.write_kth(tmp_path / "data") / "player2" / "Sequence 1"
    for name in ("Sequence 2", "Sequence 3"):
        shutil.copytree(scene, scene.with_name(name))
    data = ["--data", f"kth:{tmp_path / 'data'}"]
    options = ["--samples", "16", "--threads", "1", "--device", "cpu", "--out", "run"]
    assert main(["train", "tiny", *data, *options]) == 0
    estimator = Estimator.load("run/weights.safetensors")
    assert estimator.skeleton is KTH_14
    assert len(estimator.mean_limbs()) == 13
    assert main(["reproduce", "table7", *data, "--weights", "run/weights.safetensors"]) == 0
    with open("results/reproduce/real/table7-run.json") as file:
        assert json.load(file)["differences"] == ["train"]  # the paper has no 3D truth of KTH
