"""The main table of each chapter on the comparison changes when `results/` changes."""

import contextlib
import io
import json
import shutil
from statistics import fmean

import jupytext
import pytest

from tests.made_up import COMMITTED

BOOK = COMMITTED.parents[1] / "book"
# chapter, the cells that lead to its table, a run that is in it
CHAPTERS = [
    ("compare_the_stacks", ["RESULTS, PRESET =", "def cell(interval)"], "1-2-32-seed-2"),
    ("decouple", ["RESULTS, PRESET =", "def by_action("], "decoupled-halves-apart-seed-1"),
    (
        "reproduce_the_benchmark",
        [
            "table = TABLES",
            "PRESET, RESULTS =",
            "SETTINGS = [",
            '"table1", PRESET',
            "print(report(",
        ],
        "volume-16-equal-time-seed-0",
    ),
]


def cells_of(chapter, suffix, marks):
    """The first code cell, and those that hold the marks, one each."""
    cells = [c for c in jupytext.read(BOOK / f"{chapter}.{suffix}").cells if c.cell_type == "code"]
    found = [next(c for c in cells if mark in c.source) for mark in marks]
    return [cells[0], *found]


def printed(cells, folder, monkeypatch):
    """What the last cell prints if all are run in the folder of the book."""
    monkeypatch.chdir(folder)
    names = {}
    for cell in cells:
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(compile(cell.source, "cell", "exec"), names)
    return out.getvalue()


@pytest.mark.parametrize(("chapter", "marks", "run"), CHAPTERS, ids=[c for c, _, _ in CHAPTERS])
def test_a_chapters_table_is_that_of_the_results(chapter, marks, run, tmp_path, monkeypatch):
    cells = cells_of(chapter, "md", marks)
    reference = cells_of(chapter, "ipynb", marks)[-1]
    as_committed = printed(cells, BOOK, monkeypatch)
    assert as_committed == "".join(out["text"] for out in reference.outputs)
    shutil.copytree(COMMITTED, tmp_path / "results" / "reproduce")
    folder = tmp_path / "results" / "reproduce" / "laptop-default"
    path = folder / f"{run}.json"
    result = json.loads(path.read_text())
    result["mean_of_frames"]["MPJPE mm"] += 6
    path.write_text(json.dumps(result))
    seeds = [json.loads(p.read_text()) for p in folder.glob(f"{run[:-1]}[0-9].json")]
    mean = fmean(r["mean_of_frames"]["MPJPE mm"] for r in seeds)
    (tmp_path / "book").mkdir()
    changed = printed(cells, tmp_path / "book", monkeypatch)
    lines = zip(as_committed.splitlines(), changed.splitlines(), strict=True)
    others = [after for before, after in lines if before != after]
    assert f" {mean:.1f} ± " in others[0]
