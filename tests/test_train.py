"""Training learns, resumes exactly, and leaves nothing broken behind."""

import csv
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from tests.small import CONFIG, NETWORK, small_data
from volpose.estimator import Estimator
from volpose.feed import batch_order
from volpose.recipe import PRESETS, with_network
from volpose.train import fit


def test_the_loss_falls(tmp_path):
    fit(replace(CONFIG, samples=640), small_data(), tmp_path, progress=False)
    rows = list(csv.DictReader((tmp_path / "log.csv").open()))
    first, last = rows[0], rows[-1]
    assert int(last["step"]) == 80
    for stage in ("loss_0", "loss_1"):
        assert float(last[stage]) < 0.95 * float(first[stage])


@pytest.mark.parametrize("kind", ["coordinate", "decoupled", "released"])
def test_every_kind_of_network_trains(kind, tmp_path):
    config = replace(with_network(CONFIG, kind), samples=16)
    if kind == "released":
        network = replace(config.network, image_size=64, hourglass_depth=4)
        config = replace(config, network=network)
        with pytest.raises(ValueError, match="images must be at least 64 px wide, got 32"):
            fit(config, small_data(), tmp_path, progress=False)
        return
    fit(config, small_data(), tmp_path, progress=False)
    assert Estimator.load(tmp_path / "weights.safetensors").config.kind == kind


def test_a_stopped_run_resumes_to_the_same_bits(tmp_path):
    config, data = replace(CONFIG, samples=96), small_data()
    fit(config, data, tmp_path / "whole", progress=False)
    fit(config, data, tmp_path / "halves", progress=False, until=5)
    assert not (tmp_path / "halves" / "weights.safetensors").exists()
    fit(config, data, tmp_path / "halves", progress=False)
    whole, halves = (load_file(tmp_path / n / "weights.safetensors") for n in ("whole", "halves"))
    assert whole.keys() == halves.keys()
    assert all(torch.equal(whole[k], halves[k]) for k in whole)


KILLED = """
import sys
import volpose.train as train
from tests.small import CONFIG, small_data
from dataclasses import replace
train.CHECKPOINT_SECONDS = 0.0
train.fit(replace(CONFIG, samples=8 * 400), small_data(), sys.argv[1], progress=False)
"""


def test_a_killed_run_goes_on_from_a_complete_checkpoint(tmp_path):
    run = tmp_path / "run"
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(run)])
    deadline = time.monotonic() + 60
    while not (run / "checkpoint.safetensors").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.3)
    process.send_signal(signal.SIGKILL)
    process.wait()
    config = replace(CONFIG, samples=8 * 400)
    with pytest.raises(ValueError, match=r"holds another run \(samples is 3200, not 256\)"):
        fit(CONFIG, small_data(), run, progress=False)
    stopped_at = load_file(run / "checkpoint.safetensors")["optimizer.step"].item()
    assert stopped_at >= 1
    fit(config, small_data(), run, progress=False, until=int(stopped_at) + 2)
    assert load_file(run / "checkpoint.safetensors")["optimizer.step"].item() == stopped_at + 2
    steps = [int(row["step"]) for row in csv.DictReader((run / "log.csv").open())]
    assert steps == sorted(set(steps))


def test_a_damaged_checkpoint_is_named(tmp_path):
    fit(CONFIG, small_data(), tmp_path, progress=False, until=2)
    path = tmp_path / "checkpoint.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"checkpoint\.safetensors: not a readable safetensors"):
        fit(CONFIG, small_data(), tmp_path, progress=False)


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path):
    config = replace(CONFIG, learning_rate=1e30, warmup=0)
    with pytest.raises(ValueError, match=r"loss is .* at step"):
        fit(config, small_data(), tmp_path, progress=False)


def test_every_epoch_shows_every_image_once_in_a_new_order():
    steps = [batch_order(CONFIG, step, 32).tolist() for step in range(12)]
    epochs = [[i for step in steps[first : first + 4] for i in step] for first in (0, 4, 8)]
    assert all(sorted(epoch) == list(range(32)) for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]
    with pytest.raises(ValueError, match="batch_size 8 is larger than the data set"):
        batch_order(CONFIG, 0, 5)


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
