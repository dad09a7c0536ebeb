"""A photograph in, a metric pose out, with every assumption named."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import ExifTags, Image, ImageOps
from torch import Tensor

from volpose.camera import Camera
from volpose.crop import Box, crop_person, to_image
from volpose.decode import metric_pose, peak_voxel, root_depth_from_limbs
from volpose.estimator import Estimator
from volpose.lift.doubt import Doubt, depth_spread, doubt_bars
from volpose.metrics import root_relative
from volpose.skeleton import Skeleton

SCALE = (
    "of a person whose limbs have the mean lengths of the training's bodies; distances grow with "
    "the focal length"
)
DIAGONAL_35MM = 43.27  # mm, of a picture on film
FOCAL_RANGE = 0.05, 100.0  # longer sides of the picture: a field of view of 169 degrees, and of 0.6
ASIDE = 3.0  # focal lengths: 72 degrees from the optical axis to the middle of the picture
APPLE = (".heic", ".heif")  # Pillow cannot read them


@dataclass(frozen=True, eq=False)
class Prediction:
    """One person in one image.

    Attributes:
        skeleton: the joints.
        pose_mm: (J, 3) relative to the root, mm, camera frame (x right, y down, z away).
        joints_px: (J, 2) in the image, px.
        confidence: (J,) in [0, 1], the height of each joint's peak.
        root_depth_mm: distance of the root along the optical axis, mm.
        root_source, camera_source, box_source: where these came from.
        weights: name or file of the network.
        image: (3, H, W) the photograph, uint8.
        crop: (3, S, S) what the network saw, in [0, 1].
        volume: (J, D, S/4, S/4) likelihoods; None for coordinate regression.
        box, camera: as used.
        up: which way was said to be up in the camera's frame; None if nothing was said.
        doubt_mm: (J,) two in three joints like it, of the people on whom it was measured, are no
            further off in depth, the root's distance taken for granted; NaN for a joint that was
            not given; None or NaN for all if the network's card does not say.
        notes: what makes it doubtful, in sentences.
    """

    skeleton: Skeleton
    pose_mm: Float[Tensor, "joints 3"]
    joints_px: Float[Tensor, "joints 2"]
    confidence: Float[Tensor, " joints"]
    root_depth_mm: float
    root_source: str
    camera_source: str
    box_source: str
    weights: str
    image: UInt8[Tensor, "3 height width"]
    crop: Float[Tensor, "3 size size"]
    volume: Float[Tensor, "joints depth rows columns"] | None
    box: Box
    camera: Camera
    up: tuple[float, float, float] | None = None
    doubt_mm: Float[Tensor, " joints"] | None = None
    notes: tuple[str, ...] = ()

    def doubt_ends(self) -> Float[Tensor, "joints 2 3"] | None:
        """Both ends of a bar through each joint, see `doubt_bars`; mm from the root, or None.

        NaN for joints that were not given.
        """
        if self.doubt_mm is None or bool(self.doubt_mm.isnan().all()):
            return None
        eye = Camera(self.camera.focal, self.camera.center)
        rays = eye.back_project(self.joints_px, torch.ones_like(self.doubt_mm))
        return doubt_bars(self.pose_mm, rays, self.doubt_mm, self.skeleton.root)

    def to_json(self) -> dict:
        """The prediction as plain values; the schema is ``volpose/schemas/prediction.json``."""
        height, width = self.image.shape[-2:]
        return {
            "joints": list(self.skeleton.joints),
            "pose_mm": rounded(self.pose_mm, 1),
            "joints_px": rounded(self.joints_px, 2),
            "confidence": rounded(self.confidence, 4),
            "depth_doubt_mm": rounded_if_known(self.doubt_mm, 1),
            "root_depth_mm": round(self.root_depth_mm, 1),
            "root_source": self.root_source,
            "scale": SCALE,
            "size_px": [width, height],
            "camera_px": camera_values(self.camera),
            "camera_source": self.camera_source,
            "up": None if self.up is None else list(self.up),
            "box_source": self.box_source,
            "weights": self.weights,
            "notes": list(self.notes),
        }


def read_image(path: str | Path) -> UInt8[Tensor, "3 height width"]:
    """Read any image file as RGB, turned as its EXIF tag says.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is no image, or is truncated.
    """
    if Path(path).is_dir():
        raise IsADirectoryError(f"{path}: is a folder, expected an image file")
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: no such image file")
    try:
        with warnings.catch_warnings(), Image.open(path) as file:
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = _as_rgb(ImageOps.exif_transpose(file))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ValueError(f"{path}: image too large ({error})") from error
    except Exception as error:  # decoders raise whatever they like on damaged files
        words = "; convert it to JPEG" if Path(path).suffix.lower() in APPLE else ""
        raise ValueError(f"{path}: not a readable image ({error}){words}") from error
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()


def _as_rgb(image: Image.Image) -> Image.Image:
    """Any mode as RGB. Pillow itself would cut 16-bit gray off at 255: a white image."""
    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
    if image.mode in ("I", "F"):
        raise ValueError(f"expected 8 or 16 bits a channel, got Pillow's mode {image.mode}")
    return image.convert("RGB")


def predict(
    image: UInt8[Tensor, "3 height width"],
    estimator: Estimator,
    box: Sequence[float] | None = None,
    camera: Sequence[float] | None = None,
    weights: str = "",
    mirror: bool = True,
) -> Prediction:
    """Predict the pose of one person.

    Args:
        image: the photograph.
        estimator: the network.
        box: x, y, width, height of the person in px; without it the person must fill the image.
        camera: fx, fy, cx, cy in px; without it `Camera.guess` is used, and all depths scale with
            the true focal length.
        weights: name of the network, for the record.
        mirror: average with the mirror image.

    Raises:
        ValueError: the box lies outside the image, or box or camera are not finite and positive.

    Paper: Sec. 4.3; the root depth is found from mean limb lengths, as for Table 4.
    """
    height, width = image.shape[-2:]
    square, box_source = _box(box, width, height)
    view, camera_source = camera_for(camera, width, height)
    size = estimator.config.image_size
    crop = crop_person(image, square, size)
    places, sure = (part.cpu() for part in estimator.places(crop[None], mirror))
    volume = doubt = None
    if estimator.config.kind != "coordinate":
        volume = estimator.volume(crop[None], mirror)[0].cpu()
        doubt = _doubt(volume, estimator)
    limbs = estimator.skeleton.limbs
    depth = root_depth_from_limbs(places, square, view, limbs, estimator.mean_limbs(), float(size))
    pose = metric_pose(places, square, view, depth, float(size))
    check_finite(pose, view)
    return Prediction(
        skeleton=estimator.skeleton,
        pose_mm=root_relative(pose, estimator.skeleton.root)[0],
        joints_px=to_image(places[0, :, :2], square, float(size)),
        confidence=sure[0],
        root_depth_mm=float(depth),
        root_source="mean limb lengths of the training subjects",
        camera_source=camera_source,
        box_source=box_source,
        weights=weights,
        image=image,
        crop=crop,
        volume=volume,
        box=square,
        camera=view,
        doubt_mm=doubt,
    )


def _doubt(
    volume: Float[Tensor, "joints depth rows columns"], estimator: Estimator
) -> Float[Tensor, " joints"] | None:
    """How far off in depth each joint may be, mm, if the network's card says so."""
    known = Doubt.of_card(estimator.card)
    if known is None:
        return None
    return known.at(depth_spread(volume, peak_voxel(volume), estimator.grid))


def _box(values: Sequence[float] | None, width: int, height: int) -> tuple[Box, str]:
    if values is None:
        return Box.from_corner(0, 0, width, height), "whole image"
    if len(values) != 4:
        raise ValueError(f"box must be four numbers X,Y,W,H in px, got {len(values)}")
    return Box.from_corner(*map(float, values)), "given"


def camera_for(values: Sequence[float] | None, width: int, height: int) -> tuple[Camera, str]:
    """A camera from fx, fy, cx, cy in px, or one guessed for a picture; and which of the two.

    Raises:
        ValueError: there are other than four numbers, they are none of a camera, or the focal
            length or the principal point is absurd for a picture of this size.
    """
    if values is None:
        return Camera.guess(width, height), "guessed: focal length = longer side of the image"
    if len(values) != 4:
        raise ValueError(f"camera must be four numbers FX,FY,CX,CY in px, got {len(values)}")
    view = Camera.from_values(*map(float, values))
    shortest, longest = (factor * max(width, height) for factor in FOCAL_RANGE)
    if not bool(((view.focal >= shortest) & (view.focal <= longest)).all()):
        fx, fy = view.focal.tolist()
        raise ValueError(
            f"camera focal lengths must be {shortest:g} to {longest:g} px for a picture of "
            f"{width} x {height} px, got {fx:g} and {fy:g} px"
        )
    aside = (view.center - view.center.new_tensor([width / 2, height / 2])) / view.focal
    if not bool((aside.abs() <= ASIDE).all()):
        (cx, cy), (fx, fy) = view.center.tolist(), view.focal.tolist()
        raise ValueError(
            f"camera principal point must lie within {ASIDE:g} focal lengths of the middle of a "
            f"picture of {width} x {height} px, got {cx:g}, {cy:g} px with {fx:g} and {fy:g} px"
        )
    return view, "given"


def camera_of_file(path: str | Path, width: int, height: int) -> tuple[list[float], str] | None:
    """The camera that a picture's EXIF tags tell of, and what they say; None if they do not.

    The focal length is taken as phones and cameras write it, for a film of 36 x 24 mm with the
    same diagonal; the principal point is the middle. Both are wrong for a picture that was cut.

    Args:
        path: of the picture.
        width, height: of the upright picture, px.

    Returns:
        fx, fy, cx, cy in px, and the sentence.
    """
    try:
        with Image.open(path) as file:
            tags = file.getexif().get_ifd(ExifTags.IFD.Exif)
        millimeters = float(tags.get(ExifTags.Base.FocalLengthIn35mmFilm, 0))
    except Exception:  # Pillow raises whatever it likes on damaged tags, and they are not needed
        return None
    focal = millimeters / DIAGONAL_35MM * math.hypot(width, height)
    shortest, longest = (factor * max(width, height) for factor in FOCAL_RANGE)
    if not shortest <= focal <= longest:  # 0 where it is not known
        return None
    words = f"EXIF: focal length {millimeters:g} mm on 35 mm film; wrong if the picture was cut"
    return [focal, focal, width / 2, height / 2], words


def check_finite(values: Tensor, camera: Camera) -> None:
    """Refuse what is nowhere, or behind the camera.

    Raises:
        ValueError: a value is not finite; the sentence names the camera.
    """
    if not bool(values.isfinite().all()):
        raise ValueError(
            f"box or joints and the camera {camera_values(camera)} lead to no finite pose in front "
            "of the camera"
        )


def camera_values(camera: Camera) -> list[float]:
    """fx, fy, cx, cy of one camera, px, for JSON."""
    return [round(float(x), 3) for x in (*camera.focal.flatten(), *camera.center.flatten())]


def rounded(values: Tensor, digits: int) -> list | float:
    """A tensor as plain numbers, or lists of them, for JSON."""
    return np.round(values.detach().cpu().double().numpy(), digits).tolist()


def rounded_if_known(values: Float[Tensor, " joints"] | None, digits: int) -> list | None:
    """The same, with None for NaN; None alone if nothing is known."""
    if values is None or bool(values.isnan().all()):
        return None
    return [each if math.isfinite(each) else None for each in rounded(values, digits)]
