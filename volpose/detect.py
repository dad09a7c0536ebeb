"""2D joints of a photograph by an installed detector, MediaPipe's pose landmarker.

The package does not bring the detector: ``pip install 'volpose[detect]'`` does, and its weights
(9 MB, Apache 2.0) are fetched once, from where its makers keep them.
"""

from __future__ import annotations

import hashlib
import http.client
import math
import os
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from torch import Tensor

from volpose.crop import Box
from volpose.storage import complete_or_absent

FORMAT = "mediapipe33"
URL = (
    "https://storage.googleapis.com/mediapipe-models/pose_landmarker/"
    "pose_landmarker_full/float16/1/pose_landmarker_full.task"
)
SHA256 = "5134a3aad27a58b93da0088d431f366da362b44e3ccfbe3462b3827a839011b1"
MOST_PEOPLE = 4
# of who is followed: the middle's way from one picture to the next that says nothing, and a second,
# in sizes of the person (a sprint is 5); and how many times as large, or as small, a person becomes
SLACK, FASTEST, LARGER = 0.1, 5.0, 1.6


def cache_folder() -> Path:
    """Where fetched files are kept: ``$XDG_CACHE_HOME/volpose`` or ``~/.cache/volpose``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "volpose"


def fetch(url: str, sha256: str, path: Path) -> Path:
    """A file from the network, kept at ``path``; only if it is the file that was meant.

    Raises:
        ConnectionError: it cannot be fetched.
        ValueError: it is another file, there or in the network.
    """
    if not path.exists():
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                content = answer.read()
        except (OSError, http.client.HTTPException) as error:  # the latter where it breaks off
            raise ConnectionError(
                f"{url}: cannot be fetched ({error}); fetch it where there is a network and put it "
                f"at {path}, or give the joints with --joints2d"
            ) from error
        _check(content, sha256, url)
        with complete_or_absent(path) as partial:
            partial.write_bytes(content)
    _check(path.read_bytes(), sha256, str(path))
    return path


def _check(content: bytes, sha256: str, name: str) -> None:
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise ValueError(f"{name}: expected the file with SHA-256 {sha256}, found {found}")


class Detector:
    """Finds the joints of one person in a picture; used in a ``with`` block.

    Args:
        model: a pose landmarker's ``.task`` file; fetched and kept if nothing is said.
        box: x, y, width, height, px: whom to follow from the first picture on; without it the
            largest person of each picture is told.
        fps: pictures per second, if they are a video's.

    Raises:
        ValueError: MediaPipe is not installed, the file is none of its models, or the box is none.
        ConnectionError: the model is not here and cannot be fetched.
    """

    def __init__(
        self,
        model: str | Path | None = None,
        box: Sequence[float] | None = None,
        fps: float = 25.0,
    ) -> None:
        self.followed = None if box is None else Followed.of_box(box, fps)
        vision, base = _mediapipe()
        path = Path(model) if model else fetch(URL, SHA256, cache_folder() / URL.split("/")[-1])
        options = vision.PoseLandmarkerOptions(
            base_options=base(model_asset_path=str(path)), num_poses=MOST_PEOPLE
        )
        try:
            self.landmarker = vision.PoseLandmarker.create_from_options(options)
        except (RuntimeError, ValueError, OSError) as error:
            raise ValueError(f"{path}: not a pose landmarker of MediaPipe ({error})") from error

    def __call__(self, image: UInt8[Tensor, "3 height width"]) -> dict[str, Any] | None:
        """The joints of the largest person, or of the one who is followed; None if nobody is there.

        Returns:
            ``format``, ``joints_px`` (33 pairs, px) and ``confidence`` (33, 0 to 1), as in a file
            of joints; and ``people``, how many were found.
        """
        import mediapipe

        pixels = np.ascontiguousarray(image.permute(1, 2, 0).numpy())
        picture = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=pixels)
        people = self.landmarker.detect(picture).pose_landmarks
        height, width = image.shape[-2:]
        found = [np.array([(p.x * width, p.y * height) for p in person]) for person in people]
        if self.followed is not None:
            chosen = self.followed.among(found)
        else:
            chosen = max(
                range(len(found)), key=lambda k: np.ptp(found[k], axis=0).prod(), default=None
            )
        if chosen is None:
            return None
        sure = [p.visibility if p.visibility is not None else 1.0 for p in people[chosen]]
        joints = found[chosen].tolist()
        return {"format": FORMAT, "joints_px": joints, "confidence": sure, "people": len(found)}

    def __enter__(self) -> Detector:
        return self

    def __exit__(self, *_: object) -> None:
        """Give back what MediaPipe holds."""
        self.landmarker.close()


@dataclass
class Followed:
    """A person who is followed from picture to picture, by where the joints are and how large.

    Attributes:
        middle: of the box, then of the joints last found, px.
        size: longer side of the box, then of the joints, px.
        fps: pictures per second.
        since: pictures since the person was found; None as long as only the box is known.
    """

    middle: np.ndarray
    size: float
    fps: float
    since: int | None = None

    @classmethod
    def of_box(cls, box: Sequence[float], fps: float) -> Followed:
        """Whoever is in a box, x, y, width, height in px.

        Raises:
            ValueError: it is no box.
        """
        if len(box) != 4:
            raise ValueError(f"box must be four numbers X,Y,W,H in px, got {len(box)}")
        square = Box.from_corner(*map(float, box))
        return cls(square.center.double().numpy(), float(square.side), fps)

    def among(self, people: Sequence[np.ndarray]) -> int | None:
        """The number of the person in the next picture; None if nobody is near and alike enough.

        Args:
            people: joints (K, 2) of each, px.
        """
        if self.since is None:
            reach, larger = self.size / 2, math.inf  # anybody whose middle is in the box
        else:
            self.since += 1
            reach = (SLACK + FASTEST * self.since / self.fps) * self.size
            larger = LARGER
        spans = [(joints.min(0), joints.max(0)) for joints in people]
        away = [float(np.linalg.norm((low + high) / 2 - self.middle)) for low, high in spans]
        sizes = [max(float((high - low).max()), 1.0) for low, high in spans]
        alike = [1 / larger <= size / self.size <= larger for size in sizes]
        near = [k for k in range(len(people)) if away[k] <= reach and alike[k]]
        chosen = min(near, key=away.__getitem__, default=None)
        if chosen is not None:
            low, high = spans[chosen]
            self.middle, self.size, self.since = (low + high) / 2, sizes[chosen], 0
        return chosen


def _mediapipe() -> tuple[Any, Any]:
    try:
        from mediapipe.tasks.python import BaseOptions, vision
    except ImportError as error:
        raise ValueError(
            "no detector is installed: pip install 'volpose[detect]', or give the joints "
            "with --joints2d"
        ) from error
    return vision, BaseOptions
