"""Runs of the comparison: made, made anew, judged and taken apart."""

import importlib
import json
import math
import os
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.small import CONFIG, InMemory, small_data, studio_batch
from volpose import recipe
from volpose.__main__ import main
from volpose.estimator import Estimator
from volpose.evaluate import evaluate
from volpose.provenance import fingerprint
from volpose.reproduce import experiment as experiments
from volpose.reproduce.dissect import COMPARED, dissect
from volpose.reproduce.experiment import Experiment
from volpose.reproduce.lookup import lookup, nearest_mm
from volpose.reproduce.measure import measure, missing, result_of
from volpose.reproduce.records import load
from volpose.reproduce.tables import TABLE_ROWS
from volpose.run import DivergedError
from volpose.storage import read_safetensors, write_safetensors
from volpose.targets import gaussian_volume
from volpose.train import fit

RUN = importlib.import_module("volpose.run")
PLAN = importlib.import_module("volpose.reproduce.plan")
COSTS = importlib.import_module("volpose.reproduce.costs")
MEASURE = importlib.import_module("volpose.reproduce.measure")  # its function has the same name


@pytest.fixture
def toy(monkeypatch):
    """A preset that trains in a second."""
    monkeypatch.setitem(recipe.PRESETS, "tiny", replace(CONFIG, images=16))
    monkeypatch.setitem(experiments.SAMPLES, "tiny", 32)
    monkeypatch.setitem(experiments.RATES, "tiny", (1e-3, 4e-3))
    for split in ("val", "test"):
        monkeypatch.setitem(experiments.SPLITS, split, 8)


def judged(estimator, data):
    """Errors that a toy's few steps cannot tell: the search has to end, everywhere."""
    rate = estimator.card["recipe"]["learning_rate"]
    mm = 50 + abs(math.log(rate / 4e-3))
    apart = {"stages": [], "joints": {}, "confidence": [], "decoders": dict.fromkeys(COMPARED, mm)}
    found = {"actions": {}, "mean_of_frames": {"MPJPE mm": mm}}
    return found if estimator.config.kind == "coordinate" else found | apart


def raced(steps, effort, device):
    """Times of steps that nobody took: a coordinate is twice as fast as a volume."""
    return {row: {"median_s": 1.0 if row == "coordinate regression" else 2.0} for row in steps}


def test_the_command_makes_a_table_and_again_what_was_deleted(toy, tmp_path, monkeypatch, capsys):
    threads, usual = [], torch.get_num_threads()
    # those that render must still be told: with several threads a forked process may wait for ever
    real = torch.set_num_threads
    monkeypatch.setattr(torch, "set_num_threads", lambda n: (threads.append(n), real(n)))
    monkeypatch.setattr(MEASURE, "judged", judged)
    monkeypatch.setattr(COSTS, "race", raced)
    results, made = tmp_path / "results", tmp_path / "results" / "tiny-default"
    options = ["--preset", "tiny", "--setting", "default", "--seeds", "1"]
    options += ["--results", str(results), "--runs", str(tmp_path / "runs")]
    assert main(["reproduce", "table1", *options]) == 0
    rates = [f"-rate-{rate}-seed-0" for rate in (0.001, 0.004, 0.008)]  # one more than began it
    endings = {
        "coordinate-regression": [*rates, "-seed-0", "-equal-time-seed-0"],
        "volume-4": ["-seed-0", "-equal-time-seed-0"],
        "volume-8": [*rates, "-seed-0"],
    }
    names = sorted(f"{row}{ending}" for row, some in endings.items() for ending in some)
    assert sorted(path.stem for path in made.iterdir()) == names
    fast = json.loads((made / "coordinate-regression-equal-time-seed-0.json").read_text())
    assert fast["card"]["recipe"]["samples"] == 64  # twice the usual
    printed = capsys.readouterr().out
    assert re.search(r"^volume 8 +85\.82 +50\.0 +50\.0 +1/1", printed, re.MULTILINE)
    times = {path.name: path.stat().st_mtime_ns for path in made.iterdir()}
    (made / "volume-4-seed-0.json").unlink()
    assert main(["reproduce", "table1", *options]) == 0
    assert capsys.readouterr().out == printed
    after = {path.name: path.stat().st_mtime_ns for path in made.iterdir()}
    assert [name for name in times if times[name] != after[name]] == ["volume-4-seed-0.json"]
    assert threads == [1, 1]
    real(usual)


def test_a_step_of_every_row_is_timed_once(toy, tmp_path, monkeypatch):
    monkeypatch.setattr(COSTS, "ROUNDS", 3)
    COSTS.measure_costs("tiny", tmp_path)
    path = tmp_path / "costs-tiny.json"
    found, seconds = json.loads(path.read_text()), COSTS.step_seconds("tiny", tmp_path)
    assert set(seconds) == set(TABLE_ROWS)
    assert all(times["rounds"] == 3 for times in found["steps"].values())
    assert found["precision"] in ("bf16", "fp32")
    assert found["code"] == fingerprint()
    assert all(value > 0 for value in seconds.values())
    before = path.read_bytes()
    COSTS.measure_costs("tiny", tmp_path)
    assert path.read_bytes() == before
    del found["steps"]["1-64"]
    path.write_text(json.dumps(found))
    with pytest.raises(ValueError, match=r"costs-tiny\.json: expected .* found none of 1-64; "):
        COSTS.step_seconds("tiny", tmp_path)
    path.write_text("{}")
    with pytest.raises(ValueError, match="found none of coordinate regression, "):
        COSTS.step_seconds("tiny", tmp_path)


def untrained(config, data, folder, team, progress):
    """What stands for training where only the runs that are made count."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "log.csv").write_text("images,cpu_seconds,loss_1\n8,1.0,0.5\n")
    card = {"recipe": config.to_json(), "cpu_seconds": 1.0, "images": len(data)}
    return Estimator(config.network, config.network.build(), card)


def test_the_questions_are_asked_and_the_lookup_is_made_once(toy, tmp_path, monkeypatch):
    monkeypatch.setattr(MEASURE, "fit", untrained)
    monkeypatch.setattr(MEASURE, "judged", judged)
    monkeypatch.setattr(MEASURE, "prepare_process", lambda threads: None)
    monkeypatch.setattr(PLAN, "CURVE_SHARES", (0.5, 2.0))
    monkeypatch.setattr(PLAN, "LONGEST_SHARE", 8.0)
    monkeypatch.setattr(PLAN, "CURVE_IMAGES", (8,))
    options = ["--preset", "tiny", "--setting", "default", "--seeds", "2"]
    options += ["--results", str(tmp_path / "results"), "--runs", str(tmp_path / "runs")]
    assert main(["reproduce", "questions", *options]) == 0
    made = {path.stem for path in (tmp_path / "results" / "tiny-default").iterdir()}
    rows = ("coordinate-regression", "volume-4", "volume-8", "1-8")
    asked = {f"{row}-seed-{seed}" for row in rows for seed in (0, 1)}
    asked |= {f"{row}-{samples}-samples-seed-0" for row in rows for samples in (16, 64)}
    asked |= {f"8-8-seed-{seed}" for seed in (0, 1)}
    asked |= {f"{row}-128-samples-seed-{seed}" for row in (*rows, "8-8") for seed in (0, 1)}
    asked |= {"volume-4-256-samples-seed-0"}
    asked |= {f"1-8-papers-training-{n}-samples-seed-0" for n in (11, 44)}  # a third: 32 usual
    lengths = ("", "-16-samples", "-64-samples")
    halves = [f"{row}{n}" for row in ("decoupled", "decoupled-halves-apart") for n in lengths]
    for seed in (0, 1):
        asked |= {f"{name}-seed-{seed}" for name in ("volume-2", *halves)}
        asked |= {f"1-8-official-targets-seed-{seed}"}
        asked |= {f"1-8-RMSprop-seed-{seed}"}
        asked |= {f"1-8-8-images-seed-{seed}"}
        asked |= {f"{row}-deep-targets-seed-{seed}" for row in ("volume-8", "1-8", "8-8")}
    assert {name for name in made if "-rate-" not in name} == asked
    few = json.loads((tmp_path / "results/tiny-default/1-8-8-images-seed-0.json").read_text())
    assert few["card"]["images"] == few["card"]["recipe"]["images"] == 8
    path = tmp_path / "results" / "lookup-tiny-default.json"
    found = json.loads(path.read_text())
    assert (found["train_poses"], found["test_poses"]) == (16, 8)
    assert 0 < found["nearest_mm"] < found["mean_pose_mm"]
    before = path.stat().st_mtime_ns
    MEASURE.measure_lookup("tiny", "default", tmp_path / "results", tmp_path / "runs")
    assert path.stat().st_mtime_ns == before


def tell(work):
    """What a spawned process does here; importing all that training needs takes seconds."""
    experiment, results, runs = work
    data = sorted(path.name for path in (runs / "data").iterdir())
    told = {"process": os.getpid(), "threads": torch.get_num_threads(), "data": data}
    (results / f"{experiment.seed}.json").write_text(json.dumps(told))


def test_runs_side_by_side_have_a_process_and_a_thread_each(toy, tmp_path, monkeypatch):
    monkeypatch.setattr(MEASURE, "_measure_packed", tell)
    runs = [Experiment("tiny", "default", "volume 64", seed, 4e-3) for seed in range(2)]
    measure(runs, tmp_path, tmp_path, jobs=2)
    told = [json.loads((tmp_path / f"{run.seed}.json").read_text()) for run in runs]
    assert len({one["process"] for one in told} | {os.getpid()}) == 3
    for one in told:
        assert one["threads"] == 1
        assert one["data"] == ["studio-test-default-32px-8", "studio-train-default-32px-16"]


def test_a_deleted_result_is_made_anew_and_is_the_same(toy, tmp_path):
    run = Experiment("tiny", "default", "1-64", 0, 4e-3)
    measure([run], tmp_path / "results", tmp_path / "runs", jobs=1)
    first = result_of(run, tmp_path / "results")
    path = run.folder(tmp_path / "results") / f"{run.name}.json"
    before = path.stat().st_mtime_ns
    measure([run], tmp_path / "results", tmp_path / "runs", jobs=1)
    assert path.stat().st_mtime_ns == before
    path.unlink()
    shutil.rmtree(run.folder(tmp_path / "runs"))
    measure([run], tmp_path / "results", tmp_path / "runs", jobs=1)
    again = result_of(run, tmp_path / "results")
    for name in ("mean_of_frames", "actions", "stages", "joints", "decoders", "confidence"):
        assert again[name] == first[name], name
    assert first["code"] == first["card"]["code"] == fingerprint()
    assert [s["d"] for s in first["stages"]] == [1, 8]
    assert first["curve"][-1]["images"] == 32


def test_a_run_that_was_stopped_goes_on_and_ends_alike(toy, tmp_path, monkeypatch):
    run = Experiment("tiny", "default", "volume 64", 0, 4e-3)
    measure([run], tmp_path / "results", tmp_path / "runs", jobs=1)
    once = result_of(run, tmp_path / "results")

    def stopped(*where, **options):
        fit(*where, **options, until=3)
        raise KeyboardInterrupt

    other = [run], tmp_path / "others", tmp_path / "other runs", 1
    with monkeypatch.context() as patch:
        patch.setattr(MEASURE, "fit", stopped)
        with pytest.raises(KeyboardInterrupt):
            measure(*other)
    assert result_of(run, tmp_path / "others") is None
    begun = []
    monkeypatch.setattr(RUN.Run, "restore", restored(begun))
    measure(*other)
    assert begun == [3]
    again = result_of(run, tmp_path / "others")
    assert again["curve"][-1]["loss"] == once["curve"][-1]["loss"]
    for name in ("mean_of_frames", "actions", "stages", "joints", "decoders", "confidence"):
        assert again[name] == once[name], name


def restored(begun, real=RUN.Run.restore):
    """What goes on from a checkpoint, and tells at which step."""

    def restore(self, folder):
        found = real(self, folder)
        begun.append(self.step)
        return found

    return restore


def test_a_card_names_the_code_that_took_the_steps(tmp_path, monkeypatch):
    config, data = replace(CONFIG, samples=32), small_data()

    def trained(folder, code, until=None):
        monkeypatch.setattr(RUN, "fingerprint", lambda: code)
        return fit(config, data, tmp_path / folder, progress=False, until=until).card.get("code")

    assert trained("one", "first") == "first"
    assert trained("one", "second") == "first"  # it was finished, and no step was taken
    trained("two", "first", until=2)
    assert trained("two", "second") == "first second"
    trained("old", "first", until=2)
    path = tmp_path / "old" / RUN.CHECKPOINT
    tensors, header = read_safetensors(path)
    state = {k: v for k, v in json.loads(header["run"]).items() if k != "code"}
    write_safetensors(path, tensors, {"run": json.dumps(state)})
    assert trained("old", "second") == "unknown second"


def test_a_result_of_another_recipe_is_refused(toy, tmp_path):
    run = Experiment("tiny", "default", "volume 64", 0, 4e-3)
    path = run.folder(tmp_path) / f"{run.name}.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"card": {"recipe": run.recipe().to_json() | {"warmup": 7}}}))
    with pytest.raises(ValueError, match=r"another recipe .warmup is 7, expected 5"):
        result_of(run, tmp_path)
    path.write_text("{")
    with pytest.raises(ValueError, match=r"volume-8-seed-0.json: damaged, expected JSON"):
        result_of(run, tmp_path)


def test_equal_time_that_was_measured_anew_is_told_from_a_changed_recipe(toy, tmp_path):
    run = Experiment("tiny", "default", "volume 64", 0, 4e-3, "time", samples=40)
    path = run.folder(tmp_path) / f"{run.name}.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"card": {"recipe": run.recipe().to_json() | {"samples": 41}}}))
    with pytest.raises(ValueError, match=r"samples is 41, expected 40\); .*put that file back"):
        result_of(run, tmp_path)


def test_a_training_that_diverges_is_a_result_of_the_search(toy, tmp_path):
    run = Experiment("tiny", "default", "volume 64", 0, 1e30, "rate")
    measure([run], tmp_path, tmp_path / "runs", jobs=1)
    assert "lower the learning rate (1e+30)" in result_of(run, tmp_path)["diverged"]


def test_a_rate_that_diverges_is_worse_than_all_others(toy, tmp_path, monkeypatch):
    highest = 4e-3

    def falls(config, *rest, **options):
        if config.learning_rate > highest:
            raise DivergedError("loss is [nan] at step 3")
        return untrained(config, *rest, **options)

    monkeypatch.setattr(MEASURE, "fit", falls)
    monkeypatch.setattr(MEASURE, "judged", judged)
    where = "tiny", "default"
    while search := missing(PLAN.rate_runs(*where, ["volume 64"], tmp_path), tmp_path):
        measure(search, tmp_path, tmp_path / "runs", jobs=1)
    assert PLAN.rate_errors(*where, "volume 64", tmp_path)[8e-3] == math.inf
    assert PLAN.chosen_rate(*where, "volume 64", tmp_path) == 4e-3
    assert set(load(*where, tmp_path)) == {f"volume-8-rate-{r}-seed-0" for r in (0.001, 0.004)}
    with pytest.raises(DivergedError, match="at step 3"):  # of a row it cannot be overlooked
        measure([Experiment(*where, "volume 64", 0, 8e-3)], tmp_path, tmp_path / "runs", jobs=1)
    highest = 0
    shutil.rmtree(tmp_path / "tiny-default")
    measure(PLAN.rate_runs(*where, ["volume 64"], tmp_path), tmp_path, tmp_path / "runs", jobs=1)
    with pytest.raises(ValueError, match=r"finite with none of the rates 0\.001, 0\.004$"):
        PLAN.rate_runs(*where, ["volume 64"], tmp_path)


def test_what_dissect_says_agrees_with_evaluate():
    estimator = Estimator.untrained(replace(CONFIG.network, z_bins=(1, 2, 8)))
    data = InMemory(studio_batch())
    parts = dissect(estimator, data, batch_size=12)
    for decoder in COMPARED:
        table = evaluate(estimator, data, decoder=decoder).to_json()
        expected = table["mean_of_frames"]["MPJPE mm"]
        assert parts["decoders"][decoder] == pytest.approx(expected, rel=1e-4)
    joints = parts["joints"]
    assert joints["pelvis"] == 0
    assert np.mean(list(joints.values())) == pytest.approx(parts["decoders"]["peak"], rel=1e-4)
    assert [stage["d"] for stage in parts["stages"]] == [1, 2, 8]
    assert parts["stages"][-1]["mpjpe_mm"] == pytest.approx(parts["decoders"]["peak"], rel=1e-4)
    assert sum(row["joints"] for row in parts["confidence"]) == 16 * len(data)


class Drawn(Estimator):
    """A network that sees every second joint 50 mm too deep, the others 250 mm and 4 px off."""

    def stages(self, images):
        """One volume, drawn: sure of the first, of half the height for the second."""
        batch = studio_batch(count=len(images))
        off = torch.tensor([[0.0, 0.0, 0.2], [1.0, 0.0, 1.0]]).repeat(9, 1)[:17]
        voxels = self.grid.to_voxels(batch.places(32.0)) + off
        height = torch.tensor([0.95, 0.45]).repeat(9)[:17]
        return [gaussian_volume(voxels, self.grid, 1.0) * height[:, None, None, None]]


def test_what_dissect_says_is_in_the_right_place_and_unit():
    network = replace(CONFIG.network, z_bins=(8,))
    parts = dissect(Drawn(network, network.build()), InMemory(studio_batch()), batch_size=32)
    (stage,) = parts["stages"]
    # a voxel is 4 px wide and 250 mm deep; half of the sixteen joints are off by one of each
    assert stage["across_px"] == pytest.approx(2.0, rel=0.05)
    assert stage["depth_mm"] == pytest.approx((50 + 250) / 2, rel=0.05)
    assert parts["joints"]["right_hip"] > 250 > 100 > parts["joints"]["right_knee"] > 45
    unsure = [row for row in parts["confidence"] if 0.2 < row["from"] < 0.45]
    sure = [row for row in parts["confidence"] if row["from"] > 0.55]
    # one joint has left the grid
    assert [sum(r["joints"] for r in rows) for rows in (unsure, sure)] == [255, 256]
    assert all(r["within_150"] == 0 and r["error_mm"] > 250 for r in unsure)
    assert all(r["within_150"] == 1 and 45 < r["error_mm"] < 60 for r in sure)


def test_the_nearest_pose_is_found():
    train = studio_batch().pose
    test = train[[3, 9]] + torch.tensor([500.0, 0.0, 0.0])  # elsewhere, the same pose
    assert nearest_mm(test, train).abs().max() < 0.1
    test[1, 5, 0] += 34  # one of 17 joints is 34 mm off
    assert nearest_mm(test, train)[1] == pytest.approx(2.0, abs=0.1)
    found = lookup(test, train)
    assert found["nearest_mm"] == pytest.approx(1.0, abs=0.1)
    assert found["mean_pose_mm"] > 50


def test_halves_that_train_apart_hear_nothing_of_each_other():
    run = Experiment("tiny", "default", "decoupled, halves apart", 0, 1e-3).recipe()
    assert run.apart
    torch.manual_seed(0)
    model = replace(CONFIG.network, kind="decoupled", z_bins=(1, 8)).build()
    _, volume = model(torch.rand(2, 3, 32, 32), torch.rand(2, 17, 1, 8, 8))
    volume.sum().backward()
    first, second = model.image_to_heatmaps, model.heatmaps_to_volume
    assert all(p.grad is None for p in first.parameters())
    assert any(p.grad is not None for p in second.parameters())
    with pytest.raises(ValueError, match="apart is for decoupled networks"):
        replace(run, network=CONFIG.network)
