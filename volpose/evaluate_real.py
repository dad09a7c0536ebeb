"""Evaluate a network on a real data set as the paper does, and say where the two differ.

Human3.6M and HumanEva-I have pinhole cameras, KTH Football II has affine ones, and MPII has no
depth at all. A network predicts the joints it was trained on; they become the data set's joints by
`volpose.skeleton.convert_joints`, and those that it cannot know are not scored.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from volpose.action_table import ACTIONS_15, ActionTable
from volpose.crop import to_image
from volpose.data.dataset import PeopleData
from volpose.data.protocols import FLAT_SCORED, PROTOCOLS, TITLES, Protocol
from volpose.data.samples import Batch
from volpose.estimator import Estimator, trainings
from volpose.evaluate import ROOTS, judge_all, judge_pose, predict_batch, reading
from volpose.metrics import PARTS, pcp, root_relative
from volpose.skeleton import Skeleton, convert_joints

Judged = tuple[dict[str, Tensor], list[str]]
HEAD_SHARE = 0.5  # of the head's length, within which a joint is right


@dataclass(frozen=True)
class Measurement:
    """What was measured, under which conditions, and where these are not the paper's.

    Args:
        table: errors.
        protocol: what was really done.
        differences: in which of the protocol's fields the paper's table is another.
    """

    table: ActionTable
    protocol: Protocol
    differences: tuple[str, ...]

    def to_json(self) -> dict:
        """All of it as plain values."""
        record = {"measured": self.protocol.to_json(), "differences": list(self.differences)}
        return self.table.to_json() | record

    def __str__(self) -> str:
        told = f"not as there: {', '.join(self.differences)}" if self.differences else "as there"
        if self.protocol.data == "mpii":
            told = "the paper measures nothing there"
        return f"{self.protocol}\n{told}\n{self.table}"


@dataclass(frozen=True)
class _Way:
    """How a kind of data is judged.

    Args:
        judge: estimator, batch, root, decoder, mirror -> errors and rows.
        rows: of the table, in order; None: any.
        words: what a row is, and a sample.
        roots: the source of the root's depth in words.
        alignment: of the predictions, in words.
    """

    judge: Callable[[Estimator, Batch, str, str, bool], Judged]
    rows: tuple[str, ...] | None
    words: tuple[str, str]
    roots: dict[str, str]
    alignment: str


def evaluate_real(
    estimator: Estimator,
    data: PeopleData,
    protocol: Protocol,
    root: str | None = None,
    decoder: str = "peak",
    mirror: bool = False,
    progress: bool = False,
    batch_size: int = 50,
) -> Measurement:
    """Errors of a network on a real data set.

    Args:
        estimator: the network.
        data: opened under the protocol, see `volpose.data.opening.open_under`.
        protocol: a value of `volpose.data.protocols.PROTOCOLS`.
        root: where the root's depth comes from, a key of `volpose.evaluate.ROOTS`; of affine
            cameras, which have none, the scale. Default: the true depth, but for KTH limb lengths.
        decoder, mirror, progress, batch_size: as for `volpose.evaluate.evaluate`.

    Returns:
        Human3.6M: MPJPE, PA-MPJPE, PCK and AUC by action. HumanEva-I: the same by action and
        subject, in the order of Table 6. KTH: PCP by part, the paper's and the strict one. MPII:
        2D PCKh by joint.

    Raises:
        ValueError: unknown root source or decoder, or the data lack what is needed.

    Paper: Sec. 4.2, Tables 4 to 7.
    """
    way = WAYS[protocol.data]
    root = root or ("mean-limbs" if protocol.data == "kth" else "truth")
    if root not in ROOTS:
        raise ValueError(f"root must be one of {tuple(ROOTS)}, got {root!r}")

    def judge(batch: Batch) -> Judged:
        return way.judge(estimator, batch, root, decoder, mirror)

    errors, rows = judge_all(data, judge, progress, batch_size, ahead=True)
    measured = _measured(protocol, way, estimator, data, root)
    row, sample = way.words
    table = ActionTable.from_samples(
        errors,
        rows,
        root_source=measured.root_source,
        box_source=measured.box_source,
        protocol=f"{data}; {reading(estimator, decoder, mirror)}; {measured.alignment}",
        known=way.rows,
        row=row,
        sample=sample,
    )
    some = ("number of frames",) if len(data) < data.total else ()
    measured = replace(measured, metric=", ".join(table.metrics))
    return Measurement(table, measured, measured.differences(protocol) + some)


def _measured(
    protocol: Protocol, way: _Way, estimator: Estimator, data: PeopleData, root: str
) -> Protocol:
    """The protocol with what was really done in place of what should have been."""
    people = data.people
    trained = [name for card in trainings(estimator.card) for name in _seen(protocol, card)]
    subjects = [
        f"{subject}, {action}" if protocol.data == "kth" else subject
        for subject, action in zip(people.subject.tolist(), people.action.tolist(), strict=True)
    ]
    own = estimator.skeleton
    known = convert_joints(torch.zeros(own.num_joints, 3), own, people.skeleton)[1].tolist()
    lacking = {joint for joint, k in zip(people.skeleton.joints, known, strict=True) if not k}
    return replace(
        protocol,
        train=_in_order(trained, protocol.train),
        test=_in_order(subjects, protocol.test),
        cameras=_in_order(people.view.tolist(), protocol.cameras),
        scored=tuple(name for name in protocol.scored if name not in lacking),
        alignment=way.alignment,
        root_source=way.roots[root],
        box_source=people.box_source,
        frame_step=people.frame_step,
    )


def _seen(protocol: Protocol, card: dict) -> tuple[str, ...]:
    """Whom one training showed the network, in the protocol's words."""
    data = str(card.get("data", "not said"))
    if not data.startswith(f"{TITLES[protocol.data]} train"):
        return (data,)
    if protocol.data in ("h36m", "humaneva"):  # the others' records name no persons
        return tuple(card.get("subjects", ["not said"]))
    return ("other sequences",) if protocol.data == "kth" else protocol.train


def _in_order(found: list[str], usual: tuple[str, ...]) -> tuple[str, ...]:
    """The different names, those of the protocol first."""
    names = set(found)
    return tuple(name for name in usual if name in names) + tuple(sorted(names - set(usual)))


def _by_action(estimator: Estimator, batch: Batch, root: str, decoder: str, mirror: bool) -> Judged:
    return judge_pose(estimator, batch, root, decoder, mirror), batch.action


def _by_sequence(
    estimator: Estimator, batch: Batch, root: str, decoder: str, mirror: bool
) -> Judged:
    rows = [f"{action} {who}" for action, who in zip(batch.action, batch.subject, strict=True)]
    return judge_pose(estimator, batch, root, decoder, mirror), rows


def _by_part(estimator: Estimator, batch: Batch, root: str, decoder: str, mirror: bool) -> Judged:
    predicted = predict_batch(estimator, batch, root, decoder, mirror)
    skeleton = batch.skeleton
    predicted = convert_joints(predicted, estimator.skeleton, skeleton)[0]
    chest = [skeleton.index(joint) for joint in PROTOCOLS["table7"].root]
    predicted, truth = (root_relative(pose, chest) for pose in (predicted, batch.pose))
    limbs = [
        (skeleton.index(f"{side}_{start}"), skeleton.index(f"{side}_{end}"))
        for start, end in PARTS.values()
        for side in ("left", "right")
    ]
    errors = {}
    for word, strict in (("", False), (" strict", True)):
        right = pcp(predicted, truth, limbs, strict=strict).double().unflatten(-1, (-1, 2)).mean(-1)
        errors |= {f"{part}{word} %": 100 * right[:, k] for k, part in enumerate(PARTS)}
    return errors, [f"{who}, {what}" for who, what in zip(batch.subject, batch.action, strict=True)]


def _by_joint(estimator: Estimator, batch: Batch, _: str, decoder: str, mirror: bool) -> Judged:
    places = estimator.places(batch.image, mirror, decoder)[0].to(batch.pose.device)
    found = to_image(places[..., :2], batch.box, float(estimator.config.image_size))
    found = convert_joints(found, estimator.skeleton, batch.skeleton)[0]
    right, known = pckh(found, batch.joints, batch.skeleton)
    scores, rows = [], []
    for joint in FLAT_SCORED:
        column = batch.skeleton.index(joint)
        scores.append(right[known[:, column], column])
        rows += [joint.rpartition("_")[2] if joint != "head_top" else joint] * len(scores[-1])
    return {"PCKh 2D %": 100 * torch.cat(scores).double()}, rows


def pckh(
    predicted: Float[Tensor, "B J 2"], truth: Float[Tensor, "B J 2"], skeleton: Skeleton
) -> tuple[Bool[Tensor, "B J"], Bool[Tensor, "B J"]]:
    """Which joints are within half the head's length of the truth in the picture; a 2D measure.

    MPII's own program takes 0.6 times the diagonal of a box around the head, which not all forms
    of the annotation have; here it is the distance from the upper neck to the top of the head.

    Args:
        predicted, truth: px of the picture.
        skeleton: names the joints; it has a neck and a head_top.

    Returns:
        Which are right, and which can be scored: their place and the head's length are known.

    Paper: not in the paper, which measures nothing on MPII.
    """
    neck, top = (truth[:, skeleton.index(joint)] for joint in ("neck", "head_top"))
    head = (neck - top).norm(dim=-1, keepdim=True)
    off = (predicted - truth).norm(dim=-1)
    return off <= HEAD_SHARE * head, truth.isfinite().all(-1) & (head > 0)


TABLE_6 = tuple(
    f"{action} {who}" for action in ("Walking", "Jogging") for who in ("S1", "S2", "S3")
)
PINHOLE = "root only, PA-MPJPE after rotation, translation and scale (Procrustes)"
SCALED = "none: scaled orthographic lift, its scale"
WAYS = {
    "h36m": _Way(_by_action, ACTIONS_15, ("action", "frame"), ROOTS, PINHOLE),
    "humaneva": _Way(_by_sequence, TABLE_6, ("sequence", "frame"), ROOTS, PINHOLE),
    "kth": _Way(
        _by_part,
        None,
        ("sequence", "frame"),
        {"truth": "none: the true affine camera"}
        | {key: text.replace("depth", SCALED, 1) for key, text in ROOTS.items() if key != "truth"},
        "root only",
    ),
    "mpii": _Way(
        _by_joint,
        ("head_top", "shoulder", "elbow", "wrist", "hip", "knee", "ankle"),
        ("joint", "annotation"),
        dict.fromkeys(ROOTS, "there is no depth"),
        "none, 2D",
    ),
}
