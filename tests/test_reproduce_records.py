"""What is read from `results/`: every file is checked, and what is missing is missed."""

import json
import re

import pytest

from tests.made_up import made_up
from volpose.__main__ import main
from volpose.reproduce.learned import hardly_learned, late, learning_begins
from volpose.reproduce.records import load
from volpose.reproduce.report import most_seeds, report
from volpose.reproduce.summary import summarize


def without(*keys):
    """A change of a result: the last of the keys is left out."""

    def change(result):
        for key in keys[:-1]:
            result = result[key]
        del result[keys[-1]]

    return change


def with_error(value):
    """A change of a result: another error."""

    def change(result):
        result["mean_of_frames"]["MPJPE mm"] = value

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (without("card", "recipe"), "not the result of a run (lacks 'recipe')"),
        (without("card", "recipe", "seed"), "lacks 'seed'"),
        (without("mean_of_frames", "MPJPE mm"), "lacks 'MPJPE mm'"),
        (without("decoders"), "lacks 'decoders'"),
        (lambda result: result.update(card=[]), "its parts are of other kinds"),
        (lambda result: result.update(name="other"), "holds the run 'other'"),
        (with_error(float("nan")), "must be a finite number, found nan"),
        (with_error("61"), "must be a finite number, found '61'"),
        (lambda result: result["decoders"].update(argmax=None), "finite number, found None"),
    ],
)
def test_a_file_that_is_no_result_is_named(change, words, tmp_path):
    made_up(tmp_path, "table1")
    path = tmp_path / "laptop-hard" / "volume-16-seed-0.json"
    result = json.loads(path.read_text())
    change(result)
    path.write_text(json.dumps(result))
    with pytest.raises(ValueError, match=f"volume-16-seed-0.json: .*{re.escape(words)}"):
        load("laptop", "hard", tmp_path)


def test_a_damaged_lookup_is_named(tmp_path):
    assert learning_begins("laptop", "hard", tmp_path) is None
    path = tmp_path / "lookup-laptop-hard.json"
    path.write_text("{}")
    with pytest.raises(ValueError, match="mean_pose_mm must be a number, found None"):
        learning_begins("laptop", "hard", tmp_path)


def test_late_runs_have_hardly_learned_or_fallen_behind():
    errors = {0: 80.0, 1: 99.0, 2: 101.0, 3: 151.0}
    assert late(errors, 150.0) == [2, 3]
    assert late({0: 160.0, 1: 170.0}, 150.0) == [0, 1]
    assert hardly_learned(errors, 150.0) == [3]
    assert late(errors, None) == late({}, 150.0) == []


def test_a_result_that_was_deleted_is_missed(tmp_path, capsys):
    made_up(tmp_path, "table2", seeds=5)
    assert most_seeds(summarize("table2", "laptop", "hard", tmp_path)) == 5
    where = ["table2", "--setting", "hard", "--show", "--results", str(tmp_path)]
    assert main(["reproduce", *where]) == 0
    assert "not made yet" not in capsys.readouterr().out
    (tmp_path / "laptop-hard" / "8-32-seed-4.json").unlink()
    assert main(["reproduce", *where]) == 0
    assert "not made yet, of what 5 seeds ask for: 8-32-seed-4\n" in capsys.readouterr().out


def test_missing_files_that_are_no_runs_are_named(tmp_path, capsys):
    made_up(tmp_path, "table1")
    (tmp_path / "costs-laptop.json").unlink()
    where = ["--setting", "hard", "--show", "--results", str(tmp_path)]
    assert main(["reproduce", "table1", *where]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "missing: lookup-laptop-hard.json, which says which runs are late" in printed
    assert "costs-laptop.json, which says how long equal time is" in printed
    (tmp_path / "lookup-laptop-hard.json").write_text('{"mean_pose_mm": 240.0}')
    assert main(["reproduce", "questions", *where]) == 0
    assert "missing:" not in capsys.readouterr().out


def test_a_folder_that_is_none_is_named(tmp_path, capsys):
    assert main(["reproduce", "table1", "--show", "--results", str(tmp_path / "none")]) == 2
    assert f"--results {tmp_path / 'none'}: no such folder" in capsys.readouterr().err


def test_the_command_says_how_volumes_were_read(tmp_path, capsys):
    made_up(tmp_path, "table1")
    by_argmax = report(summarize("table1", "laptop", "hard", tmp_path, decoder="argmax"))
    assert "volumes read by argmax, as in the paper" in by_argmax
    options = ["--setting", "hard", "--show", "--results", str(tmp_path)]
    assert main(["reproduce", "table1", *options]) == 0
    printed = capsys.readouterr().out
    assert "volumes read between the voxels" in printed
    assert "and by argmax, the paper's decoder\n" in printed
    assert len(re.findall(r"^volume \d+ below ", printed, re.MULTILINE)) == 3
