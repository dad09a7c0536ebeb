"""Two processes train as one would, each with its own share of the data."""

import os
import pickle
import signal
import socket
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

import volpose.train
from tests.forks import curve, start, status_of, step_of, wait_until
from tests.small import CONFIG, InMemory, small_data, studio_batch
from volpose.data.samples import Share
from volpose.recipe import with_network
from volpose.run import Run
from volpose.studio.files import HEADER
from volpose.team import SharedBatchNorm, Team
from volpose.train import fit, step_gradient

SHORT = replace(CONFIG, samples=8 * 3, precision="fp32")
RECIPES = {
    "relative": replace(SHORT, average=0.9),
    "mean": replace(SHORT, reduction="mean", optimizer="rmsprop", learning_rate=1e-4),
    "sum": replace(SHORT, reduction="sum", learning_rate=1e-5),
    "coordinate": with_network(SHORT, "coordinate"),
}


class Counted:
    """The whole data set as a process knows it that has only a share: counted and named."""

    def __len__(self):
        return 32

    def __str__(self):
        return "studio samples in memory"


def partly_labeled():
    """Samples of which the processes' shares have unlike numbers of labeled joints."""
    whole = studio_batch()
    pose = whole.pose.clone()
    pose[::4, 5:] = torch.nan
    return InMemory(replace(whole, pose=pose))


def recorded(config, data, folder, team):
    """What `fit` computes at every step: losses, gradient and statistics."""
    found = []

    def record(run, *rest):
        gradient, losses = step_gradient(run, *rest)
        found.append([t.clone() for t in (losses, gradient, run.weights.statistics)])
        return gradient, losses

    volpose.train.step_gradient = record
    try:
        fit(config, data, folder, team, progress=False)
    finally:
        volpose.train.step_gradient = step_gradient
    return found


def be_one_of_two(rank, port, folder, data, recipes):
    """What torchrun makes of a process; then train with each recipe."""
    names = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2, "LOCAL_WORLD_SIZE": 2}
    names |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    os.environ |= {name: str(value) for name, value in names.items()}
    volpose.train.CHECKPOINT_SECONDS, volpose.train.LOG_STEPS = 0.0, 1
    team = Team.join("cpu")
    assert (team.rank, team.size, team.leads) == (rank, 2, rank == 0)
    share = Share(pickle.loads(data), rank, 2, Counted())
    for name, config in recipes.items():
        torch.save(recorded(config, share, folder / name, team), folder / f"{name}-{rank}.pt")


def begin_two(folder, data, recipes):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # each process is given its own samples and no others
    shares = [pickle.dumps(InMemory(data.whole_at(slice(rank, None, 2)))) for rank in range(2)]
    folder.mkdir()
    return [start(be_one_of_two, rank, port, folder, shares[rank], recipes) for rank in range(2)]


class Sliced(InMemory):
    """A data set that can be shared out."""

    def whole_at(self, rows):
        return self.batch(list(range(len(self)))[rows])


@pytest.fixture(scope="module")
def by_two(tmp_path_factory):
    """The folder of what two processes found with every recipe."""
    folder = tmp_path_factory.mktemp("team") / "two"
    processes = begin_two(folder, Sliced(partly_labeled().whole), RECIPES)
    assert [status_of(process) for process in processes] == [0, 0]
    return folder


def close(ours, theirs, tolerance):
    return (ours - theirs).norm() <= tolerance * theirs.norm()


@pytest.mark.parametrize("recipe", RECIPES)
def test_two_processes_compute_what_one_would(recipe, by_two, tmp_path):
    one = recorded(RECIPES[recipe], partly_labeled(), tmp_path, Team())
    first, second = (torch.load(by_two / f"{recipe}-{rank}.pt") for rank in range(2))
    assert len(first) == len(second) == len(one) == 3
    for step, (ours, others, expected) in enumerate(zip(first, second, one, strict=True)):
        assert all(map(torch.equal, ours, others))  # the two hold the same network, bit by bit
        assert ours[0].tolist() == pytest.approx(expected[0].tolist(), rel=1e-4)
        if step < 2:  # then Adam has made rounding grow
            assert all(close(a, b, (1e-4, 1e-3)[step]) for a, b in zip(ours, expected, strict=True))
    assert [row[:2] for row in curve(by_two / recipe)] == [
        ("step", "images"), ("1", "8"), ("2", "16"), ("3", "24")
    ]  # fmt: skip
    names = (load_file(folder / "weights.safetensors") for folder in (by_two / recipe, tmp_path))
    assert next(names).keys() == next(names).keys()


def test_a_run_that_two_began_is_ended_by_one(tmp_path):
    config, data = replace(SHORT, samples=8 * 200), Sliced(small_data().whole)
    processes = begin_two(tmp_path / "two", data, {"run": config})
    folder = tmp_path / "two" / "run"
    wait_until(lambda: step_of(folder) >= 3)
    for process in processes:
        process.kill()
    assert [status_of(process) for process in processes] == [-signal.SIGKILL] * 2
    step = step_of(folder)
    fit(config, small_data(), folder, progress=False, until=step + 2)
    assert step_of(folder) == step + 2
    steps = [int(row[0]) for row in curve(folder)[1:]]
    assert steps == [*range(1, step + 1), step + 2]


def test_a_share_gives_no_other_samples():
    share = Share(InMemory(small_data().batch(list(range(1, 32, 2)))), 1, 2, small_data())
    assert len(share) == 32
    assert share.batch([1, 31, 5]).index == [1, 31, 5]
    with pytest.raises(IndexError, match="sample 4 is with process 0"):
        share.batch([1, 4])


def test_alone_nothing_is_shared():
    run = Run.new(SHORT)
    assert not any(isinstance(m, SharedBatchNorm) for m in run.model.modules())
    team, numbers = Team(), torch.ones(3)
    assert team.mean(numbers) is numbers
    assert [team.any(asked) for asked in (True, False)] == [True, False]


LAUNCHERS = {
    "torchrun": "torch.distributed.run --standalone --nproc_per_node=2",
    # on CPUs it would start one process only; the option starts two, whatever they compute on
    "accelerate launch": "accelerate.commands.launch --multi_gpu --num_processes=2 "
    "--num_machines=1 --main_process_port=0 --mixed_precision=no --dynamo_backend=no",
}


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_the_command_line_trains_with_a_launcher(launcher, tmp_path):
    launch = [sys.executable, "-m", *LAUNCHERS[launcher].split()]
    options = ["--images", "32", "--samples", "64", "--device", "cpu", "--precision", "fp32"]
    folders = ["--cache", "data", "--out", "run"]
    command = [*launch, "-m", "volpose", "train", "tiny", *options, *folders]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "HF_HOME": str(tmp_path / "settings")}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("trained: run/weights.safetensors") == 1
    names = [f"studio-train-default-64px-32-share-{rank}-of-2" for rank in range(2)]
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == names
    assert all('"count": 16' in (tmp_path / "data" / n / HEADER).read_text() for n in names)
    files = {path.name for path in (tmp_path / "run").iterdir()} - {"tensorboard"}
    assert files == {"checkpoint.safetensors", "log.csv", "weights.safetensors"}
    assert [row[0] for row in curve(tmp_path / "run")] == ["step", "4"]
