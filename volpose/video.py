"""Video files as frames, and frames as video files; PyAV does the work."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

from volpose.storage import complete_or_absent

SUFFIXES = (".mp4", ".mov", ".mkv", ".avi", ".webm", ".m4v", ".mts", ".m2ts", ".ts", ".3gp")
SUFFIXES += (".wmv", ".mpg", ".mpeg")
UNEVEN = 0.25  # of the longest time between two frames: less is how times are rounded
QUALITY = "20"  # of x264: 18 can hardly be told from the original


def is_video(path: Path) -> bool:
    """Whether a file is a video by its name, or a GIF that moves."""
    if path.suffix.lower() != ".gif":
        return path.suffix.lower() in SUFFIXES
    try:
        with Image.open(path) as picture:
            return getattr(picture, "is_animated", False)
    except OSError:  # whoever reads it as a picture says why it is none
        return False


class Video:
    """The frames of a video file, one after another, turned upright.

    Attributes:
        path: of the file.
        fps: frames per second, in the mean.
        count: frames as the file says; 0 if it does not.
        notes: sentences on what is odd: frames that do not follow each other evenly, as in films of
            telephones, fewer frames than the file says, pixels that are not square.
    """

    def __init__(self, path: str | Path) -> None:
        """Open a file.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: it is no video that can be read, or PyAV is not installed.
        """
        self.path = Path(path)
        with _opened(self.path) as container:
            stream = container.streams.video[0]
            rate = stream.average_rate or stream.guessed_rate
            if not rate:
                raise ValueError(f"{path}: does not say how many frames it has a second")
            self.fps, self.count = float(rate), int(stream.frames)
            packets = [packet for packet in container.demux(stream) if packet.size]
            shape = float(stream.sample_aspect_ratio or 1)
        times = sorted(p.pts * p.time_base for p in packets if p.pts is not None)
        self.notes = [*_unevenness(times), *_shortness(len(packets), self.count)]
        if shape != 1:
            self.notes.append(f"pixels are {shape:.3g} times as wide as high, but taken as square")

    def __iter__(self) -> Iterator[UInt8[Tensor, "3 height width"]]:
        """The frames, RGB.

        Raises:
            ValueError: the file is damaged.
        """
        with _opened(self.path) as container:
            for frame in container.decode(container.streams.video[0]):
                image = torch.from_numpy(frame.to_ndarray(format="rgb24"))
                yield _upright(image.permute(2, 0, 1), frame.side_data.get("DISPLAYMATRIX"))


def write_video(
    path: str | Path, frames: Iterable[UInt8[Tensor, "3 height width"]], fps: float
) -> None:
    """Write frames as an H.264 video that every player opens.

    Args:
        path: of the file, ``.mp4`` or another container that takes H.264; all or nothing.
        frames: RGB, all of one size; an odd last row or column is left out, as H.264 demands.
        fps: frames per second.

    Raises:
        ValueError: no frames, frames of other sizes, or PyAV is not installed.
    """
    av, stream, path = _av(), None, Path(path)
    kind = check_video_name(path)
    # the partial file's name does not say the container
    with complete_or_absent(path) as part, av.open(str(part), "w", format=kind) as container:
        for image in frames:
            height, width = (n - n % 2 for n in image.shape[-2:])
            if stream is None:
                stream = container.add_stream("libx264", Fraction(fps).limit_denominator(1001))
                stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
                stream.options = {"crf": QUALITY}
            if (stream.width, stream.height) != (width, height):
                raise ValueError(
                    f"{path}: frames must have one size, but after {stream.width} x "
                    f"{stream.height} came {width} x {height} px"
                )
            array = image[:, :height, :width].permute(1, 2, 0).contiguous().numpy()
            container.mux(stream.encode(av.VideoFrame.from_ndarray(array, format="rgb24")))
        if stream is None:
            raise ValueError(f"{path}: there are no frames to write")
        container.mux(stream.encode(None))


def _unevenness(times: list[Fraction]) -> list[str]:
    gaps = [1000 * float(after - before) for before, after in itertools.pairwise(times)]
    if not gaps or max(gaps) - min(gaps) < UNEVEN * max(gaps):
        return []
    even = "times, speeds and smoothing are those of an even film at its mean rate"
    return [f"{min(gaps):.0f} to {max(gaps):.0f} ms pass from frame to frame; {even}"]


def _shortness(found: int, said: int) -> list[str]:
    if found >= said:
        return []
    return [f"the file says that it has {said} frames, but {found} are in it: it may be cut off"]


def check_video_name(path: Path) -> str:
    """The container that the end of a file's name asks for.

    Raises:
        ValueError: none that can be written.
    """
    names = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"}
    if path.suffix.lower() not in names:
        raise ValueError(f"{path}: a video is written as {', '.join(names)}")
    return names[path.suffix.lower()]


def _upright(image: Tensor, matrix: Any) -> Tensor:
    """A frame as players show it, turned by quarters and mirrored as its display matrix says.

    The matrix [[a, b, .], [c, d, .], ...] brings x, y to a x + c y, b x + d y. A rotation's angle
    does not tell whether the determinant is negative: then the frame is mirrored as well.
    """
    if matrix is None:
        return image.contiguous()
    a, b, _, c, d, *_ = struct.unpack("=9i", bytes(matrix))
    if abs(b) > abs(a):
        image, a, d = image.mT, c, b
    flipped = [axis for axis, sign in ((-1, a), (-2, d)) if sign < 0]
    return image.flip(flipped).contiguous()


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """A container with a video in it, and errors in words."""
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such video file")
    av = _av()
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise ValueError(f"{path}: has no video in it")
            yield container
    except av.error.FFmpegError as error:
        raise ValueError(f"{path}: not a video that can be read ({error.strerror})") from error


def _av() -> Any:
    try:
        import av
    except ImportError as error:
        raise ValueError("video needs PyAV: pip install 'volpose[video]'") from error
    return av
