"""Processes that can be killed, forked from one that has everything imported."""

import json
import multiprocessing
import os
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from safetensors.torch import load_file

from tests.small import CONFIG
from volpose.augment import PAPER

SERVER = multiprocessing.get_context("forkserver")
# the last is what every optimizer imports when it is first made
PRELOADED = ["tests.test_never_lost", "tests.test_team", "torch.utils.tensorboard", "torch._dynamo"]
SERVER.set_forkserver_preload(PRELOADED)
PATIENCE = 120  # seconds for what takes one on an idle machine
RUN = replace(CONFIG, samples=8 * 24, precision="fp32", average=0.9, augmentation=PAPER)


def start(target, *arguments):
    """Begin a process, with one thread for arithmetic: else its bits would depend on the load."""
    os.environ["OMP_NUM_THREADS"] = "1"
    process = SERVER.Process(target=target, args=arguments, daemon=True)
    process.start()
    return process


def status_of(process) -> int:
    """Wait for the end of a process; its exit status, or minus the signal that ended it."""
    process.join(PATIENCE)
    assert process.exitcode is not None, "still running"
    return process.exitcode


@contextmanager
def speaking_into(path):
    """Redirect what this process says to a file."""
    with open(path, "w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        yield


def wait_until(condition):
    """Wait for something that happens in another process."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "nothing happened"
        time.sleep(0.005)


def step_of(folder: Path) -> int:
    """The step of the checkpoint in a folder; 0 without one."""
    path = folder / "checkpoint.safetensors"
    if not path.exists():
        return 0
    with open(path, "rb") as file:  # once: the next checkpoint may take its place meanwhile
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    return json.loads(header["__metadata__"]["run"])["step"]


def same_bits(path: Path, other: Path) -> bool:
    """Whether two safetensors files hold the same tensors."""
    ours, theirs = load_file(path), load_file(other)
    return ours.keys() == theirs.keys() and all(
        ours[k].numpy().tobytes() == theirs[k].numpy().tobytes() for k in ours
    )


def curve(folder: Path) -> list[tuple[str, ...]]:
    """Step, images and losses of the rows of a log."""
    rows = [line.split(",") for line in (folder / "log.csv").read_text().splitlines()]
    return [(*row[:2], *row[5:]) for row in rows]
