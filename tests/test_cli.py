"""The command line: it does its work, and mistakes end in one sentence and status 2."""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest
import torch
from PIL import Image
from plotly.offline import get_plotlyjs

from tests.small import NETWORK
from volpose import __main__ as program
from volpose.__main__ import main
from volpose.estimator import Estimator
from volpose.storage import complete_or_absent


@pytest.fixture
def weights(tmp_path):
    path = tmp_path / "mine.safetensors"
    Estimator(NETWORK, NETWORK.build(), {"mean_limbs_mm": [200.0] * 16}).save(path)
    return str(path)


@pytest.fixture
def photograph(tmp_path):
    path = tmp_path / "photo <b>.png"
    pixels = torch.randint(0, 256, (90, 70, 3), dtype=torch.uint8)
    Image.fromarray(pixels.numpy()).save(path)
    return str(path)


def refused(capsys, *arguments: str) -> str:
    """Run a command that must fail; return its one sentence."""
    try:
        status = main(list(arguments))
    except SystemExit as exit_:
        status = exit_.code
    captured = capsys.readouterr()
    assert status == 2
    assert "Traceback" not in captured.err
    return captured.err.splitlines()[-1]


def test_predict_writes_json_and_page(capsys, tmp_path, weights, photograph):
    out, page = tmp_path / "out" / "pose.json", tmp_path / "out" / "pose.html"
    options = ["--box", "5,5,60,80", "--camera", "300,300,35,45", "--weights", weights]
    assert main(["predict", photograph, *options, "--json", str(out), "--html", str(page)]) == 0
    record = json.loads(out.read_text())
    assert len(record["pose_mm"]) == 17
    text = page.read_text().replace(get_plotlyjs(), "")  # its own source names web pages
    assert "Plotly" in text
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", text)
    assert sorted(p.name for p in out.parent.iterdir()) == ["pose.html", "pose.json"]


def test_predict_prints_json_and_says_what_it_guessed(capsys, weights, photograph):
    assert main(["predict", photograph, "--weights", weights, "--box", "10,0,50,90"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["camera_source"].startswith("guessed")
    assert "guessed" in captured.err


def test_evaluate_prints_and_writes_the_table(capsys, tmp_path, weights, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["evaluate", weights, "--data", "studio:test", "--count", "30"]) == 0
    assert "mean of frames" in capsys.readouterr().out
    record = json.loads((tmp_path / "mine-studio-test.json").read_text())
    assert record["samples"] == 30
    assert record["root_source"] == "true root depth"
    assert set(record["actions"]) >= {"Sitting", "SittingDown", "Walking"}


def test_render_then_evaluate_from_the_folder(tmp_path, weights, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments = ["render", "studio:test", "--count", "8", "--size", "32", "--workers", "1"]
    assert main([*arguments, "--out", "split"]) == 0
    assert main(["evaluate", weights, "--data", "split", "--json", "t.json"]) == 0
    assert json.loads((tmp_path / "t.json").read_text())["samples"] == 8


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--box", "900,0,10,10"], "box must overlap the image"),
        (["--box", "1,2,3"], "expected four numbers"),
        (["--box", "a,b,c,d"], "expected four numbers"),
        (["--camera", "nan,300,35,45"], "camera focal must be finite and positive"),
        (["--weights", "studio-huge"], "neither a shipped network"),
    ],
)
def test_bad_options_of_predict(capsys, tmp_path, weights, photograph, options, sentence):
    out = tmp_path / "never.json"
    arguments = ["predict", photograph, "--weights", weights, *options, "--json", str(out)]
    assert sentence in refused(capsys, *arguments)
    assert not out.exists()


def test_bad_images(capsys, tmp_path, weights):
    missing = refused(capsys, "predict", str(tmp_path / "no.jpg"), "--weights", weights)
    assert "no.jpg: no such image file" in missing
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff\xe0 and no more")
    sentence = refused(capsys, "predict", str(broken), "--weights", weights)
    assert "broken.jpg: not a readable image" in sentence
    (tmp_path / "empty").mkdir()
    assert "no picture in it" in refused(capsys, "predict", str(tmp_path / "empty"))


def test_bad_weights(capsys, tmp_path, weights, photograph):
    path = tmp_path / "cut.safetensors"
    path.write_bytes(b"")
    options = ["predict", photograph, "--weights", str(path)]
    assert "not a readable safetensors file" in refused(capsys, *options)


def test_unwritable_output(capsys, tmp_path, weights, photograph):
    (tmp_path / "file").write_text("")
    out = str(tmp_path / "file" / "pose.json")
    sentence = refused(capsys, "predict", photograph, "--weights", weights, "--json", out)
    assert "file" in sentence


@pytest.mark.parametrize("data", ["studio:holdout", "studio", "nowhere", "h36m:"])
def test_bad_data(capsys, weights, data):
    refused(capsys, "evaluate", weights, "--data", data)


def test_bad_numbers(capsys, weights):
    assert "positive whole number" in refused(capsys, "evaluate", weights, "--count", "0")
    assert "positive whole number" in refused(capsys, "train", "tiny", "--images", "many")
    refused(capsys, "train", "enormous")
    refused(capsys)


def test_a_start_of_another_form_is_refused_before_anything_is_rendered(capsys, tmp_path):
    out = ("--out", str(tmp_path / "run"), "--cache", str(tmp_path / "data"))
    sentence = refused(capsys, "train", "tiny", "--start", "studio-laptop", *out)
    assert "start must have the recipe's network, with z_bins [1, 16], got [1, 32]" in sentence
    assert "neither a shipped network" in refused(capsys, "train", "tiny", "--start", "no", *out)
    sentence = refused(capsys, "train", "tiny", "--rate", "0", *out)
    assert "learning_rate must be positive and finite, got 0.0" in sentence
    assert not list(tmp_path.iterdir())


@pytest.fixture
def ctrl_c():
    """As at a prompt; a shell's background job ignores Ctrl-C, and these tests may run in one."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_command_that_is_stopped_says_so_and_leaves_nothing(
    number, capsys, tmp_path, monkeypatch, ctrl_c
):
    def stopped(_):
        with complete_or_absent(tmp_path / "out.json") as partial:
            partial.write_text("half of it")
            os.kill(os.getpid(), number)
            time.sleep(5)

    parser = argparse.ArgumentParser()
    parser.set_defaults(run=stopped)
    monkeypatch.setattr(program, "build_parser", lambda: parser)
    before = signal.getsignal(signal.SIGTERM)
    ours = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup may have started the tests
    assert main([]) == 130
    assert signal.signal(signal.SIGHUP, ours) == signal.SIG_DFL
    word = "interrupted" if number == signal.SIGINT else "terminated"
    assert capsys.readouterr().err == f"volpose: {word}\n"
    assert list(tmp_path.iterdir()) == []
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_reader_that_has_seen_enough_is_no_mistake():
    command = f"{sys.executable} -m volpose reproduce table4 | head -c 10"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout) == 10
