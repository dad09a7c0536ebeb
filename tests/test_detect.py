"""The detector's weights: fetched once, checked always; and what is said where it cannot be."""

import contextlib
import hashlib
import http.client

import pytest

from volpose.detect import SHA256, URL, Detector, cache_folder, fetch

CONTENT = b"weights" * 100
RIGHT = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def origin(tmp_path):
    """A file that stands for the network."""
    path = tmp_path / "origin" / "model.task"
    path.parent.mkdir()
    path.write_bytes(CONTENT)
    return path


def test_a_file_is_fetched_once(origin, tmp_path):
    kept = tmp_path / "cache" / "model.task"
    assert fetch(origin.as_uri(), RIGHT, kept).read_bytes() == CONTENT
    origin.unlink()
    assert fetch(origin.as_uri(), RIGHT, kept) == kept


def test_another_file_is_never_kept(origin, tmp_path):
    kept = tmp_path / "cache" / "model.task"
    with pytest.raises(ValueError, match=f"expected the file with SHA-256 {SHA256}, found {RIGHT}"):
        fetch(origin.as_uri(), SHA256, kept)
    assert not kept.exists()


def test_a_kept_file_that_was_damaged_is_named(origin, tmp_path):
    kept = tmp_path / "cache" / "model.task"
    fetch(origin.as_uri(), RIGHT, kept)
    kept.write_bytes(CONTENT[:-1])
    with pytest.raises(ValueError, match=f"^{kept}: expected the file with SHA-256"):
        fetch(origin.as_uri(), RIGHT, kept)


def test_a_download_that_breaks_off_is_said(monkeypatch, tmp_path):
    class Answer(contextlib.nullcontext):
        def read(self):
            raise http.client.IncompleteRead(b"half", 4)

    monkeypatch.setattr("urllib.request.urlopen", lambda *_, **__: Answer(Answer()))
    with pytest.raises(ConnectionError, match="cannot be fetched"):
        fetch(URL, SHA256, tmp_path / "model.task")
    assert not list(tmp_path.iterdir())


def test_offline_it_says_what_to_do(origin, tmp_path):
    origin.unlink()
    kept = tmp_path / "model.task"
    with pytest.raises(ConnectionError, match=f"put it at {kept}, or give the joints"):
        fetch(origin.as_uri(), RIGHT, kept)


def test_the_cache_is_where_the_system_wants_it(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "volpose"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder().parts[-2:] == (".cache", "volpose")
    assert URL.endswith(".task")


def test_without_a_detector_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "mediapipe", None)
    with pytest.raises(ValueError, match=r"pip install 'volpose\[detect\]', or give the joints"):
        Detector()
