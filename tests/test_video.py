"""Video: what is written is read back, and what is no video is said."""

import sys

import pytest
import torch

from volpose.video import Video, write_video


def frames(count=5, height=48, width=64):
    """A bright square that moves to the right."""
    made = torch.full((count, 3, height, width), 30, dtype=torch.uint8)
    for k in range(count):
        made[k, 0, 10:30, 8 * k : 8 * k + 20] = 220
    return made


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
@pytest.mark.parametrize("fps", [25, 29.97])
def test_a_video_is_read_back(suffix, fps, tmp_path):
    path = tmp_path / f"film{suffix}"
    write_video(path, frames(), fps)
    video = Video(path)
    assert video.fps == pytest.approx(fps, rel=1e-3)
    again = torch.stack(list(video))
    assert again.shape == frames().shape
    assert (again.float() - frames().float()).abs().mean() < 8
    assert list(tmp_path.iterdir()) == [path]


def test_odd_sizes_lose_a_line(tmp_path):
    write_video(tmp_path / "film.mp4", frames(2, 49, 65), 10)
    assert next(iter(Video(tmp_path / "film.mp4"))).shape == (3, 48, 64)


def test_a_failed_video_leaves_nothing(tmp_path):
    path = tmp_path / "film.mp4"
    with pytest.raises(ValueError, match=r"one size, but after 64 x 48 came 32 x 48 px"):
        write_video(path, [frames()[0], frames()[0, :, :, :32]], 25)
    with pytest.raises(ValueError, match="no frames to write"):
        write_video(path, [], 25)
    with pytest.raises(ValueError, match=r"a video is written as \.mp4"):
        write_video(tmp_path / "film.gif", frames(), 25)
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_video_is_said(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such video file"):
        Video(tmp_path / "film.mp4")
    (tmp_path / "film.mp4").write_bytes(b"not a video" * 50)
    with pytest.raises(ValueError, match="not a video that can be read"):
        Video(tmp_path / "film.mp4")


def test_a_truncated_video_gives_frames_or_a_sentence(tmp_path):
    path = tmp_path / "film.mkv"
    write_video(path, frames(30), 25)
    whole = path.read_bytes()
    for share in (0.2, 0.5, 0.8, 0.95):
        path.write_bytes(whole[: int(share * len(whole))])
        try:
            count = len(list(Video(path)))
        except ValueError as error:
            assert "not a video" in str(error)  # noqa: PT017
        else:
            assert count <= 30


def test_without_pyav_it_says_what_to_install(tmp_path, monkeypatch):
    write_video(tmp_path / "film.mp4", frames(), 25)
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ValueError, match=r"pip install 'volpose\[video\]'"):
        Video(tmp_path / "film.mp4")
