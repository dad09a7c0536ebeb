"""The detector's weights: fetched once, checked always; and what is said where it cannot be."""

import contextlib
import hashlib
import http.client
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from volpose.detect import SHA256, URL, Detector, Followed, cache_folder, fetch
from volpose.lift.formats import joints_of

CONTENT = b"weights" * 100
RIGHT = hashlib.sha256(CONTENT).hexdigest()


def person(x, y, size=20.0):
    """Joints in a square around a point, px."""
    return np.array([[x - size, y - size], [x + size, y + size], [x, y]])


def test_whoever_is_in_the_box_is_followed():
    follow = Followed.of_box([80, 80, 40, 60], 25.0)
    near, far = person(100, 115), person(300, 100, 50)
    assert follow.among([far]) is None  # not in the box
    assert follow.among([far, near]) == 1
    assert follow.among([person(108, 115), far]) == 0
    assert follow.among([far, person(118, 115)]) == 1  # wherever in the list
    assert follow.among([person(180, 115)]) is None  # nobody is that fast
    assert follow.among([]) is None
    assert follow.among([person(140, 115), far]) == 0  # but in three pictures one comes so far
    assert follow.among([person(140, 115, 60)]) is None  # somebody else, who is larger


def test_one_who_is_missed_for_a_moment_is_not_exchanged_for_a_neighbor():
    follow = Followed.of_box([-50, 0, 300, 300], 30.0)
    places = [100, 102, 104, None, 108, 110]
    told = []
    for x in places:
        people = [person(220, 150, 150)] + ([person(x, 150, 150)] if x else [])
        told.append(follow.among(people))
    assert told == [1, 1, 1, None, 1, 1]


@pytest.mark.parametrize(("box", "words"), [([1, 2, 3], "four numbers"), ([1, 2, 0, 3], "must be")])
def test_what_is_no_box_is_said(box, words):
    with pytest.raises(ValueError, match=words):
        Followed.of_box(box, 25.0)


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
    monkeypatch.setitem(sys.modules, "mediapipe", None)
    with pytest.raises(ValueError, match=r"pip install 'volpose\[detect\]', or give the joints"):
        Detector()


def landmarks(scale, visibility):
    """A person of MediaPipe's, a slanted line of 33 points in parts of the picture's sides."""
    return [
        SimpleNamespace(x=0.1 + scale * k / 33, y=0.2 + scale * k / 66, visibility=visibility)
        for k in range(33)
    ]


def test_the_largest_person_is_told_in_pixels(monkeypatch, tmp_path):
    """With a stand-in for MediaPipe, whose weights are not everywhere."""
    seen, closed, people = [], [], []

    class Landmarker:
        @staticmethod
        def create_from_options(options):
            assert options.base.path == str(tmp_path / "model.task")
            return Landmarker()

        def detect(self, picture):
            seen.append(picture)
            return SimpleNamespace(pose_landmarks=people)

        def close(self):
            closed.append(True)

    def options(base_options, num_poses):
        return SimpleNamespace(base=base_options, most=num_poses)

    tasks = SimpleNamespace(
        BaseOptions=lambda model_asset_path: SimpleNamespace(path=model_asset_path),
        vision=SimpleNamespace(PoseLandmarker=Landmarker, PoseLandmarkerOptions=options),
    )
    library = SimpleNamespace(
        Image=lambda image_format, data: (image_format, data),
        ImageFormat=SimpleNamespace(SRGB="rgb"),
    )
    monkeypatch.setitem(sys.modules, "mediapipe", library)
    monkeypatch.setitem(sys.modules, "mediapipe.tasks.python", tasks)
    image = torch.randint(0, 256, (3, 100, 200), dtype=torch.uint8)
    with Detector(tmp_path / "model.task") as detect:
        assert detect(image) is None
        people += [landmarks(0.2, 0.9), landmarks(0.8, None), landmarks(0.5, 0.9)]
        answer = detect(image)
    with Detector(tmp_path / "model.task", box=[20, 20, 110, 60]) as detect:
        small = detect(image)
    assert closed == [True, True]
    assert small["joints_px"][0] == pytest.approx([20.0, 20.0])
    assert small["joints_px"][32] == pytest.approx([200 * (0.1 + 0.5 * 32 / 33), 20 + 50 * 32 / 66])
    kind, pixels = seen[0]
    assert kind == "rgb"
    assert (pixels == image.permute(1, 2, 0).numpy()).all()
    assert answer["joints_px"][0] == pytest.approx([20.0, 20.0])
    assert answer["joints_px"][32] == pytest.approx(
        [200 * (0.1 + 0.8 * 32 / 33), 20 + 80 * 32 / 66]
    )
    assert answer["confidence"] == [1.0] * 33
    found = joints_of(answer)
    assert found.joints.shape == (1, 17, 2)
    assert found.confidence.max() == 1
