"""How the paper measures on each data set: everything that a number means, in one record.

"Protocol 1" and "protocol 2" mean opposite things in different papers, so a number is never printed
with such a name but with the record itself, which fits on a line.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from types import MappingProxyType

from volpose.data.h36m_names import CAMERAS, SUBJECTS
from volpose.data.people import ANNOTATED_BOX, DRAWN_BOX
from volpose.skeleton import H36M_17, HUMANEVA_15, KTH_14, MPII_16, Skeleton

ANY_CAMERA = "any"
# how the readers' names of the data sets begin
TITLES = MappingProxyType(
    {"h36m": "Human3.6M", "humaneva": "HumanEva-I", "kth": "KTH Football II", "mpii": "MPII"}
)
# what two numbers must share to be compared; metric and alignment name a column
CONDITIONS = ("train", "test", "frame_step", "cameras", "scored", "root_source", "box_source")


@dataclass(frozen=True)
class Protocol:
    """What a table of the paper measures.

    Args:
        table: of the paper.
        data: the kind that `open_data` knows.
        metric: what is printed, with its unit.
        train, test: subjects or sequences; for other training data, these in words.
        frame_step: every n-th frame of the recording is used.
        cameras: their names.
        skeleton: names the joints.
        scored: the joints, or limbs, whose errors count.
        alignment: of the prediction with the truth before they are compared.
        root: the joint, or the middle of joints, that is subtracted.
        root_source: where the root's depth comes from.
        box_source: where the crop's box comes from.
        unknown: what the paper does not say; we chose what stands here.
    """

    table: str
    data: str
    metric: str
    train: tuple[str, ...]
    test: tuple[str, ...]
    frame_step: int
    cameras: tuple[str, ...]
    skeleton: Skeleton
    scored: tuple[str, ...]
    alignment: str
    root: tuple[str, ...]
    root_source: str
    box_source: str
    unknown: tuple[str, ...] = ()

    def differences(self, other: Protocol) -> tuple[str, ...]:
        """In which of `CONDITIONS` another protocol differs, in words."""
        names = [name for name in CONDITIONS if getattr(self, name) != getattr(other, name)]
        return tuple(name.replace("_", " ") for name in names)

    def to_json(self) -> dict:
        """The record as plain values; the skeleton by its name."""
        return asdict(self) | {"skeleton": self.skeleton.name}

    def __str__(self) -> str:
        open_points = f"; not said in the paper: {', '.join(self.unknown)}" if self.unknown else ""
        root = "+".join(self.root) or "none"
        return (
            f"{self.table}: {self.metric} on {self.data}, train {' '.join(self.train)}, test "
            f"{' '.join(self.test)}, every {_ordinal(self.frame_step)} frame, "
            f"cameras {' '.join(self.cameras)}, {len(self.scored)} scored, "
            f"alignment {self.alignment}, root {root} ({self.root_source}), "
            f"box from {self.box_source}{open_points}"
        )


def _ordinal(number: int) -> str:
    return {1: "single", 2: "2nd", 3: "3rd"}.get(number, f"{number}th")


_H36M = {
    "data": "h36m",
    "train": SUBJECTS["train"],
    "test": SUBJECTS["test"],
    "frame_step": 5,  # 50 to 10 frames a second
    "cameras": CAMERAS,
    "skeleton": H36M_17,
    "scored": H36M_17.joints,
    "root": ("pelvis",),
    "root_source": "depth from the mean limb lengths of the training subjects",
    "box_source": ANNOTATED_BOX,
}
PARTS = tuple(
    f"{side}_{part}"
    for part in ("upper_arm", "lower_arm", "upper_leg", "lower_leg")
    for side in ("left", "right")
)
# MPII's own groups of joints but for the upper neck, which Human3.6M lacks
FLAT_SCORED = (
    "head_top",
    *(
        f"{side}_{joint}"
        for joint in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
        for side in ("left", "right")
    ),
)
PROTOCOLS = MappingProxyType(
    {
        "table4": Protocol(
            table="Table 4",
            metric="MPJPE mm",
            alignment="root only",
            unknown=("which average", "the box"),
            **_H36M,
        ),
        "table5": Protocol(
            table="Table 5",
            metric="reconstruction error mm",
            alignment="rotation, translation and scale (Procrustes)",
            unknown=("whether every camera and frame counts", "the box"),
            **_H36M,
        ),
        "table6": Protocol(
            table="Table 6",
            data="humaneva",
            metric="reconstruction error mm",
            train=("S1", "S2", "S3"),
            test=("S1", "S2", "S3"),
            frame_step=1,
            cameras=("C1", "C2", "C3"),
            skeleton=HUMANEVA_15,
            scored=HUMANEVA_15.joints,
            alignment="rotation, translation and scale (Procrustes)",
            root=("pelvis",),
            root_source="true root depth",
            box_source=DRAWN_BOX,
            unknown=(
                "the camera",
                "the joints",
                "the frames",
                "the box",
                "the root's depth, which perspective needs",
            ),
        ),
        "table7": Protocol(
            table="Table 7",
            data="kth",
            metric="PCP percent at half the limb",
            train=("MPII and KTH in 2D, motion capture in 3D",),
            test=("Player 2, Sequence 1",),
            frame_step=1,
            cameras=("Camera 1",),
            skeleton=KTH_14,
            scored=PARTS,
            alignment="root only",
            root=("left_shoulder", "right_shoulder", "left_hip", "right_hip"),
            root_source="none: scaled orthographic lift, its scale from the mean limb lengths of "
            "the training subjects",
            box_source=DRAWN_BOX,
            unknown=("which joints give the center of the chest", "the box", "the lift"),
        ),
        "mpii": Protocol(
            table="2D only, not a table of the paper",
            data="mpii",
            metric="PCKh 2D percent at half the head",
            train=("MPII",),
            test=("MPII",),
            frame_step=1,
            cameras=(ANY_CAMERA,),
            skeleton=MPII_16,
            scored=FLAT_SCORED,
            alignment="none",
            root=(),
            root_source="there is no depth",
            box_source=ANNOTATED_BOX,
        ),
    }
)


def protocol_of(kind: str) -> Protocol:
    """The protocol of a kind of data; of Human3.6M, which has two tables, that of Table 4.

    Raises:
        ValueError: the data have no pictures to measure on.
    """
    for protocol in PROTOCOLS.values():
        if protocol.data == kind:
            return protocol
    kinds = ", ".join(dict.fromkeys(protocol.data for protocol in PROTOCOLS.values()))
    raise ValueError(f"data of kind {kind} have no pictures; expected one of {kinds}")
