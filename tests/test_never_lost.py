"""A run that is killed, stopped or out of disk at any moment ends with the bits it would have had.

Child processes do what a run does and are really killed; see `tests.forks`.
"""

import os
import pickle
import resource
import signal
import sys
import time
from dataclasses import replace
from multiprocessing import current_process

import pytest

import volpose.train
from tests.forks import RUN, curve, same_bits, speaking_into, start, status_of, step_of, wait_until
from tests.small import small_data
from volpose import storage
from volpose.__main__ import main
from volpose.train import fit

# computed as asked on every machine; one without AMX emulates it, and repeats itself as well
BF16 = replace(RUN, precision="bf16", optimizer="rmsprop", learning_rate=1e-3)
CHANGES = {"open", "os.rename", "os.remove", "os.chmod", "os.truncate"}
KILLED = -signal.SIGKILL


def train(folder, data, config, kill_at=None, half=None, until=None):
    """Train in a child process, writing all the time.

    Args:
        kill_at: die before this operation on the run's files, counted from 1.
        half: die when half of the file with this name is written.
    """
    volpose.train.CHECKPOINT_SECONDS, volpose.train.LOG_STEPS = 0.0, 2
    if kill_at:
        _die_at(kill_at, str(folder) + os.sep)
    if half:
        _die_within(half)
    fit(config, pickle.loads(data), folder, progress=False, until=until)


def _die_at(number, folder):
    count = 0

    def look(event, arguments):
        nonlocal count
        if event in CHANGES and str(arguments[0]).startswith(folder):
            count += "tensorboard" not in str(arguments[0])  # from a thread, at any time
            if count == number:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(look)


def _die_within(name):
    save_file = storage.save_file

    def half_of(tensors, path, metadata):
        save_file(tensors, path, metadata)
        if path.name.startswith(name):
            os.truncate(path, path.stat().st_size // 2)
            os.kill(os.getpid(), signal.SIGKILL)

    storage.save_file = half_of


@pytest.fixture(scope="module")
def data():
    return pickle.dumps(small_data())


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory):
    """The run as it goes if nothing happens to it."""
    folder = tmp_path_factory.mktemp("whole")
    assert status_of(start(train, folder, data, RUN)) == 0
    assert len(curve(folder)) == 1 + 12
    return folder


def files(folder):
    return sorted(path.name for path in folder.iterdir() if path.name != "tensorboard")


COMPLETE = ["checkpoint.safetensors", "log.csv", "weights.safetensors"]


def test_killed_before_every_operation_on_a_file_it_ends_with_the_same_bits(data, whole, tmp_path):
    killed, run = 0, tmp_path / "run"
    while status := status_of(start(train, run, data, RUN, killed + 1)):
        assert status == KILLED
        assert len([name for name in files(run) if name.endswith(".partial")]) <= 1
        assert not (run / "weights.safetensors").exists()
        if killed == 12:  # one more, within a write, and with a log that a power cut has torn
            assert status_of(start(train, run, data, RUN, None, "checkpoint")) == KILLED
            with open(run / "log.csv", "a") as log:
                log.write("1")  # of 12, say
        killed += 1
    assert killed > 12
    assert files(run) == COMPLETE
    assert curve(run) == curve(whole)
    assert same_bits(run / "weights.safetensors", whole / "weights.safetensors")


def test_killed_while_the_final_weights_are_written_they_are_complete_or_absent(data, tmp_path):
    short = replace(RUN, samples=16)
    assert status_of(start(train, tmp_path, data, short)) == 0
    path = tmp_path / "weights.safetensors"
    path.rename(tmp_path / "expected")
    assert status_of(start(train, tmp_path, data, short, None, "weights")) == KILLED
    complete = []
    for operation in range(3, 7):  # the first two remove what was left, and read the log
        status = status_of(start(train, tmp_path, data, short, operation))
        complete.append(path.exists())
        if path.exists():
            assert same_bits(path, tmp_path / "expected")
            path.unlink()
        assert status == KILLED
    assert complete == [False, False, False, True]
    assert status_of(start(train, tmp_path, data, short)) == 0
    assert files(tmp_path) == sorted([*COMPLETE, "expected"])


def test_killed_at_any_time_it_ends_with_the_same_bits_in_bf16(data, tmp_path):
    run, expected = tmp_path / "run", tmp_path / "expected"
    assert status_of(start(train, expected, data, BF16)) == 0
    for kill in range(3):
        process = start(train, run, data, BF16)
        begun = step_of(run)
        wait_until(lambda begun=begun: step_of(run) > begun)
        time.sleep(0.013 * kill)
        process.kill()
        assert status_of(process) == KILLED
    assert status_of(start(train, run, data, BF16)) == 0
    assert files(run) == COMPLETE
    assert curve(run) == curve(expected)
    assert same_bits(run / "weights.safetensors", expected / "weights.safetensors")


def train_on_a_full_disk(folder, data, config, limit, sentence, board):
    """Train where no file can grow beyond a size, and write down what is said of it."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    if not board:
        sys.modules["torch.utils.tensorboard"] = None
    with speaking_into(os.devnull):
        free = resource.RLIM_INFINITY
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, free))
        try:
            train(folder, data, config)
        except OSError as error:
            resource.setrlimit(resource.RLIMIT_FSIZE, (free, free))
            sentence.write_text(str(error))


def test_a_full_disk_is_named_and_costs_nothing_that_was_written(data, tmp_path):
    run, said, config = tmp_path / "run", tmp_path / "said", replace(RUN, samples=8 * 6)

    def failing(limit, board=False):
        before = {name: (run / name).read_bytes() for name in files(run)}
        arguments = (run, data, config, limit, said, board)
        assert status_of(start(train_on_a_full_disk, *arguments)) == 0
        assert files(run) == sorted(before)
        changed = [name for name in before if (run / name).read_bytes() != before[name]]
        return said.read_text().removeprefix(str(run) + "/"), changed

    assert status_of(start(train, run, data, config, None, None, 2)) == 0
    sentence, changed = failing(100_000)
    assert sentence.startswith("checkpoint.safetensors: cannot be written (")
    assert "File too large" in sentence
    assert changed == ["log.csv"]  # a row past the checkpoint, which the next start drops
    sentence, changed = failing(len((run / "log.csv").read_bytes()) - 10)
    assert sentence == "log.csv: cannot be written (File too large)"
    assert changed == ["log.csv"]
    assert (run / "log.csv").read_text().endswith("\n")
    assert [row[0] for row in curve(run)] == ["step", "2"]
    sentence, _ = failing(200, board=True)
    assert sentence in (
        "tensorboard: cannot be written (File too large)",
        "checkpoint.safetensors: cannot be written (Error while serializing: I/O error: "
        "File too large (os error 27))",
    )
    assert step_of(run) == 2
    assert status_of(start(train, run, data, config)) == 0
    assert [row[0] for row in curve(run)] == ["step", "2", "4", "6"]
    (run / "weights.safetensors").unlink()
    sentence, changed = failing(10_000)
    assert sentence.startswith("weights.safetensors: cannot be written (")
    assert changed == []
    assert status_of(start(train, run, data, config)) == 0
    assert files(run) == COMPLETE


def command(folder, out, spoken):
    """`volpose train tiny`, short."""
    volpose.train.LOG_STEPS = 2
    current_process().daemon = False  # it starts others, which render
    with speaking_into(spoken):
        options = ["--images", "32", "--samples", "288", "--cache", str(folder / "data")]
        sys.exit(main(["train", "tiny", *options, "--out", str(out)]))


def test_stopped_by_ctrl_c_and_sigterm_it_says_so_and_ends_with_the_same_bits(tmp_path):
    run, expected, spoken = (tmp_path / name for name in ("run", "expected", "spoken"))
    assert status_of(start(command, tmp_path, expected, spoken)) == 0
    for number in (signal.SIGINT, signal.SIGTERM):
        before = step_of(run)
        process = start(command, tmp_path, run, spoken)
        wait_until(lambda before=before: rows(run) > before)
        os.kill(process.pid, signal.SIGSTOP)
        if number == signal.SIGINT:
            second = tmp_path / "second"
            assert status_of(start(command, tmp_path, run, second)) == 2
            sentence = f"volpose: folder {run} is being written by another process"
            assert second.read_text().splitlines()[-1] == sentence
        os.kill(process.pid, number)
        os.kill(process.pid, signal.SIGCONT)
        assert status_of(process) == 130
        step = step_of(run)
        assert before < step < 18
        last = spoken.read_text().splitlines()[-1]
        assert last == f"volpose: stopped at step {step} of 18; the same command goes on"
        assert "Traceback" not in spoken.read_text()
        assert files(run) == COMPLETE[:2]
        assert int(curve(run)[-1][0]) == step
    assert status_of(start(command, tmp_path, run, spoken)) == 0
    assert same_bits(run / "weights.safetensors", expected / "weights.safetensors")


def rows(folder):
    """The last step in a log."""
    if not (folder / "log.csv").exists():
        return 0
    last = curve(folder)[-1][0]
    return int(last) if last.isdecimal() else 0
