"""What every data set yields: a crop, the pose, and the camera and box that connect them."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from volpose.affine import AnyCamera
from volpose.crop import Box, to_crop
from volpose.skeleton import H36M_17, Skeleton


class _Labels:
    """What follows from pose, camera and box; shared by one sample and by a batch."""

    pose: Tensor
    camera: AnyCamera
    box: Box
    image: Tensor
    skeleton: Skeleton

    @property
    def joints(self) -> Float[Tensor, "*batch J 2"]:
        """The joints in the full image, px."""
        return self.camera.project(self.pose)

    @property
    def root_depth(self) -> Float[Tensor, "*batch"]:
        """Depth of the root, mm."""
        return self.pose[..., self.skeleton.root, 2]

    @property
    def crop_size(self) -> int:
        """Side of the crop, px."""
        return self.image.shape[-1]

    def places(self, crop_size: float = 256.0) -> Float[Tensor, "*batch J 3"]:
        """The joints as the network should say them: x, y in crop pixels, z in mm from the root.

        Args:
            crop_size: of the crop whose pixels to count in; the stored crop may have another size.
        """
        flat = to_crop(self.joints, self.box, crop_size)
        depth = self.pose[..., 2] - self.root_depth[..., None]
        return torch.cat([flat, depth[..., None]], dim=-1)


@dataclass(frozen=True)
class Sample(_Labels):
    """One person in one picture.

    Args:
        image: the crop, RGB.
        pose: joints in the camera frame, mm; NaN for a joint that is not known. Without 3D truth
            the camera is `AffineCamera.of_image`: x, y are px of the image and z is NaN.
        camera: of the full image the crop was cut from.
        box: of the crop in the full image.
        subject: the actor's name.
        action: the action's name.
        index: number of the sample in its data set.
        skeleton: names the joints; data sets differ in them.
    """

    image: UInt8[Tensor, "3 size size"]
    pose: Float[Tensor, "J 3"]
    camera: AnyCamera
    box: Box
    subject: str
    action: str
    index: int
    skeleton: Skeleton = H36M_17


@dataclass(frozen=True)
class Batch(_Labels):
    """Samples stacked: the same fields with a batch dimension in front, names as lists."""

    image: UInt8[Tensor, "B 3 size size"]
    pose: Float[Tensor, "B J 3"]
    camera: AnyCamera
    box: Box
    subject: list[str]
    action: list[str]
    index: list[int]
    skeleton: Skeleton = H36M_17

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, number: int) -> Sample:
        """One sample of the batch."""
        return Sample(
            self.image[number],
            self.pose[number],
            self.camera[number],
            self.box[number],
            self.subject[number],
            self.action[number],
            self.index[number],
            self.skeleton,
        )

    def to(self, device: torch.device | str) -> "Batch":
        """The batch on another device."""
        return Batch(
            self.image.to(device),
            self.pose.to(device),
            self.camera.to(device),
            self.box.to(device),
            self.subject,
            self.action,
            self.index,
            self.skeleton,
        )


@runtime_checkable
class Samples(Protocol):
    """A data set: what can be trained and evaluated on."""

    def __len__(self) -> int: ...

    def batch(self, indices: list[int]) -> Batch:
        """The samples with these numbers."""
        ...


class Share:
    """Every n-th sample of a data set, under the numbers of the whole.

    Args:
        part: what this process has: samples rank, rank + size, rank + 2 size, ... of the whole.
        rank: of this process.
        size: number of processes.
        whole: the data set that it is a part of; it is only counted and named.
    """

    def __init__(self, part: Samples, rank: int, size: int, whole: Samples) -> None:
        self.part, self.rank, self.size, self.whole = part, rank, size, whole

    def __len__(self) -> int:
        return len(self.whole)

    def __str__(self) -> str:
        return str(self.whole)

    @property
    def licence(self) -> str:
        """Of weights that were trained on the data."""
        return self.whole.licence

    def batch(self, indices: list[int]) -> Batch:
        """The samples with these numbers.

        Raises:
            IndexError: another process has one of them.
        """
        for index in indices:
            if index % self.size != self.rank:
                raise IndexError(f"sample {index} is with process {index % self.size}")
        return self.part.batch([index // self.size for index in indices])
