"""Training learns, whatever the network and the recipe, and refuses what it cannot go on with."""

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

import volpose.train
from tests.forks import same_bits, step_of
from tests.small import CONFIG, NETWORK, InMemory, small_data, studio_batch
from volpose.augment import augment
from volpose.estimator import Estimator, trainings
from volpose.feed import Feed
from volpose.recipe import PRESETS, with_network
from volpose.run import Run
from volpose.skeleton import H36M_17
from volpose.storage import read_safetensors
from volpose.targets import gaussian_volume
from volpose.team import Team
from volpose.train import fit, step_gradient

SHORT = replace(CONFIG, samples=48, precision="fp32")


@pytest.fixture
def busy(monkeypatch):
    """A row and a checkpoint after every second step."""
    monkeypatch.setattr(volpose.train, "LOG_STEPS", 2)
    monkeypatch.setattr(volpose.train, "CHECKPOINT_SECONDS", 0.0)


def test_the_loss_falls(tmp_path, busy):
    fit(replace(CONFIG, samples=192), small_data(), tmp_path, progress=False)
    rows = list(csv.DictReader((tmp_path / "log.csv").open()))
    first, last = rows[0], rows[-1]
    assert int(last["step"]) == 24
    for stage in ("loss_0", "loss_1"):
        assert float(last[stage]) < 0.9 * float(first[stage])


@pytest.mark.parametrize("kind", ["coordinate", "decoupled", "released"])
def test_every_kind_of_network_trains(kind, tmp_path):
    config, data = replace(with_network(CONFIG, kind), samples=16), small_data()
    if kind == "released":
        config = replace(config, network=replace(config.network, image_size=64))
        with pytest.raises(ValueError, match="images must be at least 64 px wide, got 32"):
            fit(config, data, tmp_path / "small", progress=False)
        data = InMemory(studio_batch(size=64))
    fit(config, data, tmp_path, progress=False)
    assert step_of(tmp_path) == 2
    assert Estimator.load(tmp_path / "weights.safetensors").config.kind == kind


def test_a_stopped_run_resumes_to_the_same_bits(tmp_path):
    data = small_data()
    fit(SHORT, data, tmp_path / "whole", progress=False)
    fit(SHORT, data, tmp_path / "halves", progress=False, until=3)
    assert step_of(tmp_path / "halves") == 3
    assert not (tmp_path / "halves" / "weights.safetensors").exists()
    fit(SHORT, data, tmp_path / "halves", progress=False)
    assert same_bits(*(tmp_path / n / "weights.safetensors" for n in ("whole", "halves")))


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """The folder of a run that was stopped after two steps."""
    folder = tmp_path_factory.mktemp("stopped")
    fit(SHORT, small_data(), folder, progress=False, until=2)
    return folder


def rewritten(tensors=None, without="", **state):
    """A way to damage a checkpoint: with other tensors, or another state in its header."""

    def damage(path):
        found, header = read_safetensors(path)
        found = {k: v for k, v in (found | (tensors or {})).items() if k != without}
        save_file(found, path, {"run": json.dumps(json.loads(header["run"]) | state)})

    return damage


def replaced(change):
    return lambda path: path.write_bytes(change(path.read_bytes()))


def shipped(path):
    weights = Path(volpose.train.__file__).parent / "weights"
    shutil.copy(next(weights.glob("*.safetensors")), path)


WEIGHTS = sum(p.numel() for p in NETWORK.build().parameters())
DAMAGES = {
    "cut early": (replaced(lambda b: b[:1000]), "not a readable safetensors file"),
    "cut late": (replaced(lambda b: b[:-1]), "not a readable safetensors file"),
    "empty": (replaced(lambda b: b""), "not a readable safetensors file"),
    "noise": (replaced(lambda b: bytes(range(256)) * 99), "not a readable safetensors file"),
    "weights": (shipped, "not the checkpoint of a run"),
    "a later version": (
        rewritten({"momentum": torch.ones(2)}),
        "damaged or of another version, has an unknown tensor 'momentum'",
    ),
    "an earlier version": (
        rewritten(without="optimizer.exp_avg"),
        "damaged or of another version, lacks tensor 'optimizer.exp_avg'",
    ),
    "no weights": (rewritten(without="weights"), "lacks tensor 'weights'"),
    "few weights": (
        rewritten({"weights": torch.ones(3)}),
        rf"expected weights of shape \({WEIGHTS},\) and torch.float32, found \(3,\)",
    ),
    "narrow weights": (rewritten({"weights": torch.ones(WEIGHTS).bfloat16()}), "torch.bfloat16"),
    "before the start": (rewritten(step=-1), "step must be 0 to 6, got -1"),
    "past the end": (rewritten(step=7), "step must be 0 to 6, got 7"),
    "between steps": (rewritten(step=1.5), r"step must be 0 to 6, got 1\.5"),
    "far out": (rewritten(step=10**400), "not the checkpoint of a run"),
    "nan": (rewritten(loss=[torch.nan, 1.0]), "a time or a loss is not a number"),
    "words": (rewritten(loss="low"), "not the checkpoint of a run"),
    "seed": (rewritten(config=replace(SHORT, seed=1).to_json()), r"\(seed is 1, not 0\)"),
    "older recipe": (rewritten(config={"seed": 0}), r"\(network is None, not \{"),
    "data": (rewritten(data="photographs"), r"\(data is 'photographs', not 'studio samples"),
    "precision": (rewritten(precision="bf16"), r"\(precision is 'bf16', not 'fp32'\)"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_checkpoint_that_cannot_be_used_is_named_and_kept(damage, stopped, tmp_path):
    shutil.copytree(stopped, tmp_path, dirs_exist_ok=True)
    path = tmp_path / "checkpoint.safetensors"
    change, sentence = DAMAGES[damage]
    change(path)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir() if p.is_file()}
    with pytest.raises(ValueError, match=sentence) as caught:
        fit(SHORT, small_data(), tmp_path, progress=False)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir() if p.is_file()} == before


@pytest.fixture(scope="module")
def flipped(stopped, tmp_path_factory):
    """A new run, and the checkpoint that bits are flipped in."""
    path = tmp_path_factory.mktemp("flipped") / "checkpoint.safetensors"
    return Run.new(SHORT, str(small_data())), path, (stopped / path.name).read_bytes()


@settings(max_examples=60)
@given(at=st.integers(0, 3000), bit=st.integers(0, 7))
def test_a_flipped_bit_in_a_header_is_no_crash(flipped, at, bit):
    run, path, content = flipped
    changed = bytearray(content)
    changed[at % (8 + int.from_bytes(content[:8], "little"))] ^= 1 << bit
    path.write_bytes(changed)
    try:
        run.restore(path.parent)
    except ValueError as error:
        sentence = str(error)
    else:
        sentence = f"{path}: read"  # a digit of a time, say
    assert sentence.startswith(f"{path}: ")


def test_a_log_that_is_none_is_named_and_kept(stopped, tmp_path):
    shutil.copytree(stopped, tmp_path, dirs_exist_ok=True)
    for text in (b"", b"apples,pears\n1,2\n", b"\xff\xfe\x00"):
        (tmp_path / "log.csv").write_bytes(text)
        with pytest.raises(ValueError, match=r"log\.csv: expected the log of a run"):
            fit(SHORT, small_data(), tmp_path, progress=False)
        assert (tmp_path / "log.csv").read_bytes() == text


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path, busy):
    config = replace(SHORT, learning_rate=1e30, warmup=0)
    with pytest.raises(ValueError, match=r"at step .*: lower the learning rate \(1e\+30\); no ch"):
        fit(config, small_data(), tmp_path, progress=False)
    assert step_of(tmp_path) == 0


@pytest.mark.parametrize(
    ("poison", "named"), [(torch.nan, "weights"), (1e25, r"optimizer\.exp_avg_sq")]
)
def test_a_gradient_gone_bad_between_two_rows_is_never_saved(
    poison, named, tmp_path, busy, monkeypatch
):
    config = replace(SHORT, average=0.5)
    fit(config, small_data(), tmp_path / "whole", progress=False)
    run = tmp_path / "run"

    def poisoned(run, *batch):
        gradient, losses = step_gradient(run, *batch)
        if run.step == 2:
            gradient[5] = poison
        return gradient, losses.nan_to_num(0.5)

    with monkeypatch.context() as patch:
        patch.setattr(volpose.train, "step_gradient", poisoned)
        with pytest.raises(ValueError, match=f"{named} not finite at step 4"):
            fit(config, small_data(), run, progress=False)
    assert step_of(run) == 2
    assert all(t.isfinite().all() for t in load_file(run / "checkpoint.safetensors").values())
    fit(config, small_data(), run, progress=False)
    assert same_bits(run / "weights.safetensors", tmp_path / "whole" / "weights.safetensors")


@pytest.mark.parametrize("kind", ["coarse-to-fine", "coordinate"])
@pytest.mark.parametrize("unknown", [torch.nan, torch.inf])
def test_unknown_joints_are_not_learned_from(kind, unknown, tmp_path):
    whole = studio_batch()
    pose = whole.pose.clone()
    pose[::2, 3:7] = unknown
    data = InMemory(replace(whole, pose=pose))
    config = replace(with_network(SHORT, kind), samples=16)
    estimator = fit(config, data, tmp_path, progress=False)
    assert all(p.isfinite().all() for p in estimator.model.parameters())
    assert 300 < estimator.mean_limbs()[1] < 550  # a thigh, mm


@pytest.fixture(scope="module")
def beginning(tmp_path_factory):
    """A network to begin with."""
    return fit(SHORT, small_data(), tmp_path_factory.mktemp("beginning"), progress=False)


def test_a_run_begins_with_the_weights_of_another(beginning, tmp_path):
    config = replace(SHORT, seed=3, start=beginning.checksum())
    run = Run.new(config, start=beginning)
    assert run.estimator().checksum() == beginning.checksum()
    whole = fit(config, small_data(), tmp_path / "whole", progress=False, start=beginning)
    fit(config, small_data(), tmp_path / "halves", progress=False, until=3, start=beginning)
    fit(config, small_data(), tmp_path / "halves", progress=False, start=beginning)
    assert same_bits(*(tmp_path / n / "weights.safetensors" for n in ("whole", "halves")))
    lineage = whole.card["start"]
    assert lineage["recipe"] == beginning.card["recipe"]
    assert lineage["steps"] == beginning.card["steps"]
    assert whole.card["licence"] == beginning.card["licence"]  # of the same data: said once
    assert whole.checksum() != beginning.checksum()
    assert [len(card["recipe"]["start"]) for card in trainings(whole.card)] == [12, len("random")]
    other = replace(config, start=whole.checksum())
    with pytest.raises(ValueError, match=r"\(start is '[0-9a-f]{12}', not '[0-9a-f]{12}'\)"):
        fit(other, small_data(), tmp_path / "halves", progress=False, start=whole)


def test_what_is_trained_on_stays_under_the_terms_of_what_it_began_with(beginning, tmp_path):
    start = replace(beginning, card=beginning.card | {"licence": "mine"})
    config = replace(SHORT, samples=16, start=start.checksum())
    licence = fit(config, small_data(), tmp_path, progress=False, start=start).card["licence"]
    assert licence == f"{beginning.card['licence']}; and mine"


def test_only_the_recipes_weights_begin_a_run(beginning):
    with pytest.raises(ValueError, match=f"recipe's weights, random, got {beginning.checksum()}"):
        Run.new(SHORT, start=beginning)
    with pytest.raises(ValueError, match="recipe's weights, 0123, got random"):
        Run.new(replace(SHORT, start="0123"))
    other = replace(SHORT, network=replace(NETWORK, sigma=3.0), start=beginning.checksum())
    with pytest.raises(ValueError, match=r"recipe's network, with sigma 3\.0, got"):
        Run.new(other, start=beginning)


def test_a_checksum_is_of_the_weights_alone(beginning, tmp_path):
    other = replace(beginning, card={})
    other.save(tmp_path / "other.safetensors")
    assert Estimator.load(tmp_path / "other.safetensors").checksum() == beginning.checksum()
    with pytest.raises(ValueError, match="no checksum: the network was rounded for prediction"):
        other.at_precision("bf16").checksum()


@pytest.mark.parametrize("rate", [0.0, -1.0, float("inf"), float("nan")])
def test_a_rate_that_is_none_is_refused(rate):
    with pytest.raises(ValueError, match="learning_rate must be positive"):
        replace(SHORT, learning_rate=rate)


def test_2d_labels_teach_the_marginal_of_every_stage():
    config = replace(SHORT, share_2d=0.25)
    run = Run.new(config)
    feed = Feed(config, small_data(), 0, 1, Team(), small_data())
    images, places, chance = next(feed)
    feed.close()
    _, losses = step_gradient(run, images, places, chance, Team())
    moved = augment(images / 255, places, H36M_17, config.augmentation, chance)
    grid = config.network.grid
    voxels = grid.to_voxels(moved[1])
    with torch.no_grad():
        volumes = run.model(moved[0])
    drawn = torch.stack([gaussian_volume(v, grid, config.network.sigma) for v in voxels[:-2]])
    flat = voxels[-2:].clone()
    flat[..., 2] = 0  # peaks in the first slice, at full height
    seen = torch.stack([gaussian_volume(v, grid, config.network.sigma) for v in flat]).amax(2)
    for volume, loss in zip(volumes, losses, strict=True):
        d = volume.shape[2]
        target = drawn.unflatten(2, (d, -1)).amax(3)
        solid = (volume[:-2] - target).square().sum() / target.square().sum()
        marginal = (volume[-2:].amax(2) - seen).square().sum() / seen.square().sum()
        torch.testing.assert_close(loss, 0.75 * solid + 0.25 * marginal, rtol=2e-4, atol=1e-5)


def test_a_mixed_run_trains_and_resumes_to_the_same_bits(tmp_path):
    config = replace(SHORT, share_2d=0.5)
    data = small_data(), small_data("test")
    fit(config, data[0], tmp_path / "whole", progress=False, data_2d=data[1])
    fit(config, data[0], tmp_path / "parts", progress=False, data_2d=data[1], until=2)
    resumed = fit(config, data[0], tmp_path / "parts", progress=False, data_2d=data[1])
    assert "2D labels: studio samples in memory" in resumed.card["data"]
    names = [tmp_path / name / "weights.safetensors" for name in ("whole", "parts")]
    assert same_bits(*names)


def test_recomputing_changes_nothing_but_memory():
    found = []
    for recompute in (False, True):
        config = replace(SHORT, recompute=recompute)
        run = Run.new(config)
        feed = Feed(config, small_data(), 0, 1, Team())
        gradient, losses = step_gradient(run, *next(feed), Team())
        feed.close()
        found.append((gradient, losses, run.weights.statistics))
    for without, with_ in zip(*found, strict=True):
        assert torch.equal(without, with_)


def test_the_rate_rises_and_falls():
    config = PRESETS["tiny"]
    assert config.rate(0) == pytest.approx(config.learning_rate / config.warmup, rel=1e-3)
    assert config.rate(config.steps - 1) < 1e-5
    assert max(map(config.rate, range(config.steps))) == pytest.approx(4e-3, rel=1e-2)


def test_the_paper_optimizer_trains_too(tmp_path):
    config = replace(CONFIG, optimizer="rmsprop", schedule="constant", samples=16, warmup=0)
    assert config.rate(1) == config.learning_rate
    fit(config, small_data(), tmp_path, progress=False)


def test_the_card_names_where_the_weights_come_from(tmp_path):
    estimator = fit(replace(CONFIG, samples=16), small_data(), tmp_path, progress=False)
    assert estimator.card["data"] == "studio samples in memory"
    assert estimator.card["recipe"]["network"]["image_size"] == NETWORK.image_size
    assert len(estimator.mean_limbs()) == 16
    assert 300 < estimator.mean_limbs()[1] < 550  # a thigh, mm
