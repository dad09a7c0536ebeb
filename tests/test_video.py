"""Video: what is written is read back, and what is no video is said."""

import struct
import sys

import pytest
import torch
from PIL import Image

from volpose.video import Video, _shortness, is_video, write_video


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


def test_a_gif_that_moves_is_a_video(tmp_path):
    still, moving = tmp_path / "still.gif", tmp_path / "moving.GIF"
    pictures = [Image.fromarray(image.permute(1, 2, 0).numpy()) for image in frames()]
    pictures[0].save(still)
    pictures[0].save(moving, save_all=True, append_images=pictures[1:], duration=40)
    assert [is_video(path) for path in (still, moving)] == [False, True]
    video = Video(moving)
    assert video.fps == pytest.approx(25)
    again = torch.stack(list(video))
    assert (again.float() - frames().float()).abs().mean() < 8
    assert is_video(tmp_path / "film.MP4")
    assert not is_video(tmp_path / "none.gif")
    assert not is_video(tmp_path / "picture.png")


def test_uneven_and_missing_frames_are_told(tmp_path):
    even, uneven = tmp_path / "even.gif", tmp_path / "uneven.gif"
    pictures = [Image.fromarray(image.permute(1, 2, 0).numpy()) for image in frames(6)]
    for path, duration in ((even, 40), (uneven, [30, 30, 30, 200, 200, 200])):
        pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=duration)
    assert Video(even).notes == []
    assert Video(uneven).notes[0].startswith("30 to 200 ms pass from frame to frame; times")
    write_video(tmp_path / "film.mp4", frames(100), 29.97)
    assert Video(tmp_path / "film.mp4").notes == []
    assert _shortness(60, 100) == [
        "the file says that it has 100 frames, but 60 are in it: it may be cut off"
    ]


def displayed(path, a, b, c, d):
    """Write [[a, b, 0], [c, d, 0], [0, 0, 1]] into an mp4 file as phones do, and read a frame."""
    content = path.read_bytes()
    plain, turned = (
        struct.pack(">9i", k << 16, m << 16, 0, n << 16, o << 16, 0, 0, 0, 1 << 30)
        for k, m, n, o in ((1, 0, 0, 1), (a, b, c, d))
    )
    at = content.index(plain, content.index(b"tkhd"))
    other = path.with_name("turned.mp4")
    other.write_bytes(content[:at] + turned + content[at + len(turned) :])
    return next(iter(Video(other)))


@pytest.mark.parametrize(
    ("matrix", "corner", "last"),
    [
        ((1, 0, 0, 1), "top left", "top right"),
        ((0, 1, -1, 0), "top right", "bottom right"),  # a quarter turn clockwise
        ((-1, 0, 0, -1), "bottom right", "bottom left"),
        ((0, -1, 1, 0), "bottom left", "top left"),
        ((-1, 0, 0, 1), "top right", "top left"),  # mirrored
        ((1, 0, 0, -1), "bottom left", "bottom right"),
        ((0, 1, 1, 0), "top left", "bottom left"),
        ((0, -1, -1, 0), "bottom right", "top right"),
    ],
)
def test_turned_and_mirrored_videos_are_seen_as_players_show_them(matrix, corner, last, tmp_path):
    """A white first corner and a gray second one, in the direction of the rows."""
    made = torch.zeros(2, 3, 48, 64, dtype=torch.uint8)
    made[:, :, :16, :16], made[:, :, :16, -16:] = 250, 120
    write_video(tmp_path / "film.mp4", made, 10)
    image = displayed(tmp_path / "film.mp4", *matrix)
    assert image.shape == ((3, 48, 64) if matrix[0] else (3, 64, 48))
    heights, widths = {"top": 8, "bottom": -8}, {"left": 8, "right": -8}
    for place, value in ((corner, 250), (last, 120)):
        row, column = place.split()
        assert abs(int(image[0, heights[row], widths[column]]) - value) < 15


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
