"""What a run tells of itself: its curve in three places, and a last word when it cannot go on."""

import csv
import re
from dataclasses import replace

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import volpose.train
from tests.forks import step_of
from tests.small import CONFIG, small_data
from volpose.journal import Journal
from volpose.run import Run
from volpose.train import fit

SHORT = replace(CONFIG, samples=32)


def test_the_curve_is_in_tensorboard_and_at_the_progress_bar_too(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(volpose.train, "LOG_STEPS", 2)
    fit(SHORT, small_data(), tmp_path)
    rows = list(csv.DictReader((tmp_path / "log.csv").open()))
    losses = [[float(row[f"loss_{stage}"]) for row in rows] for stage in range(2)]
    expected = {f"loss/stage {stage}": losses[stage] for stage in range(2)}
    expected["learning rate"] = [SHORT.rate(int(row["step"]) - 1) for row in rows]
    board = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert set(board.Tags()["scalars"]) == expected.keys()
    for name, values in expected.items():
        found = board.Scalars(name)
        assert [event.step for event in found] == [int(row["images"]) for row in rows] == [16, 32]
        assert [event.value for event in found] == pytest.approx(values, abs=1e-5)
    shown = re.search(r" 32/32 .*, loss (\S+) (\S+)\]$", capsys.readouterr().err.rstrip())
    assert [*map(float, shown.groups())] == pytest.approx([x[-1] for x in losses], abs=6e-4)


def test_numbers_that_are_not_finite_are_refused_with_word_of_what_is_left(tmp_path):
    run = Run.new(SHORT)
    run.loss = torch.tensor([torch.nan, 1.0])
    with torch.no_grad():
        run.weights.values[3] = torch.inf

    def ends(words):
        with pytest.raises(ValueError, match=rf"^weights not finite at step 0: .*{words}$"):
            run.save(tmp_path)
        with pytest.raises(ValueError, match=rf"^loss is \[nan, 1.0\] at step 0: .*{words}$"):
            Journal(run, tmp_path).write(run)

    ends("; no checkpoint was written yet")
    fit(SHORT, small_data(), tmp_path, progress=False, until=2)
    ends("; the last good checkpoint is kept")
    assert step_of(tmp_path) == 2
    with pytest.raises(ValueError, match=r"lower the learning rate \(0.005\)$"):
        Journal(run, None).write(run)  # of a process that writes no files
