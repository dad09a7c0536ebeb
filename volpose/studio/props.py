"""Things made of boxes: the chair, and whatever may stand between the camera and the actor."""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import normalize

from volpose.studio.puppet import rotation_about
from volpose.studio.wardrobe import MATERIAL

SEAT_BELOW_PELVIS = 115.0  # mm
# corners of a box are numbered by the bits of (z, y, x)
BOX_FACES = (
    (0, 2, 1), (1, 2, 3), (4, 5, 6), (5, 7, 6), (0, 1, 4), (1, 5, 4),
    (2, 6, 3), (3, 6, 7), (0, 4, 2), (2, 4, 6), (1, 3, 5), (3, 7, 5),
)  # fmt: skip
LEGS = [(x * 195.0, y * 185.0) for x in (-1, 1) for y in (-1, 1)]
NUM_CHAIR_BOXES = 2 + len(LEGS)
NUM_OCCLUDERS = 2
NUM_BOXES = NUM_CHAIR_BOXES + NUM_OCCLUDERS
VERTICES_PER_BOX = 3 * len(BOX_FACES)  # faces share no vertices, so that their shading is flat


def box_corners(device: str | torch.device) -> Float[Tensor, "vertices 3"]:
    """Vertices of a box from -1 to 1, three for each of its triangles."""
    rows = [
        (2.0 * (k & 1) - 1, 2.0 * (k >> 1 & 1) - 1, 2.0 * (k >> 2) - 1)
        for face in BOX_FACES
        for k in face
    ]
    return torch.tensor(rows, dtype=torch.float64, device=device)


def prop_faces(first: int, device: str | torch.device) -> Int[Tensor, "faces 3"]:
    """Triangles of all boxes, whose vertices start at row `first` of the scene's."""
    return first + torch.arange(NUM_BOXES * VERTICES_PER_BOX, device=device).view(-1, 3)


def prop_materials(device: str | torch.device) -> Float[Tensor, " vertices"]:
    """The material number of every box's vertices."""
    kinds = [MATERIAL["chair"]] * NUM_CHAIR_BOXES + [MATERIAL["occluder"]] * NUM_OCCLUDERS
    kinds = torch.tensor(kinds, dtype=torch.float32, device=device)
    return kinds.repeat_interleave(VERTICES_PER_BOX)


def place_boxes(
    center: Float[Tensor, "batch boxes 3"],
    half: Float[Tensor, "batch boxes 3"],
    yaw: Float[Tensor, " batch"],
    corners: Float[Tensor, "corners 3"],
) -> Float[Tensor, "batch vertices 3"]:
    """Vertices of boxes in the world, all boxes of a picture turned by one angle (degrees)."""
    local = half[:, :, None] * corners
    turned = local @ rotation_about("z", yaw)[:, None].mT
    return (center[:, :, None] + turned).flatten(1, 2)


def flat_normals(vertices: Float[Tensor, "batch vertices 3"]) -> Float[Tensor, "batch vertices 3"]:
    """Unit normals of the boxes' triangles, repeated for their three corners."""
    a, b, c = vertices.unflatten(1, (-1, 3)).unbind(2)
    normals = normalize(torch.linalg.cross(b - a, c - a), dim=-1)
    return normals.repeat_interleave(3, dim=1)


def chair_boxes(
    pelvis: Float[Tensor, "batch 3"],
    yaw: Float[Tensor, " batch"],
    present: Float[Tensor, " batch"],
) -> tuple[Float[Tensor, "batch boxes 3"], Float[Tensor, "batch boxes 3"]]:
    """Centers and half sizes of a chair's boxes: seat, back, legs; empty where it is absent.

    Args:
        pelvis: of the actor who sits on it, mm.
        yaw: to where the actor faces, degrees.
        present: 1 where there is a chair, else 0.
    """
    seat = pelvis[:, 2] - SEAT_BELOW_PELVIS
    zero = torch.zeros_like(seat)
    parts = [((zero, zero + 10, seat - 22), (225.0, 215.0, 22.0 + zero))]
    parts.append(((zero, zero + 235, seat + 230), (215.0, 18.0, 260.0 + zero)))
    for x, y in LEGS:
        parts.append(((zero + x, zero + y, seat / 2 - 22), (20.0, 20.0, seat / 2 - 22)))
    centers = torch.stack([torch.stack(center, dim=1) for center, _ in parts], dim=1)
    halves = torch.stack(
        [torch.stack([zero + size for size in half], dim=1) for _, half in parts], dim=1
    )
    centers = centers @ rotation_about("z", yaw).mT
    floor = torch.cat([pelvis[:, :2], zero[:, None]], dim=1)
    return centers + floor[:, None], halves * present[:, None, None]


def occluder_boxes(
    camera: Float[Tensor, "batch 3"],
    joints: Float[Tensor, "batch joints 3"],
    choice: Float[Tensor, "batch boxes 8"],
) -> tuple[Float[Tensor, "batch boxes 3"], Float[Tensor, "batch boxes 3"]]:
    """Centers and half sizes of boxes between the camera and a joint.

    Args:
        camera: position, mm.
        joints: of the actor, mm.
        choice: per box: present (0 or 1), joint as a share of their number, share of the way, half
            sizes (3, mm at the actor's distance), sideways and upward shift (mm, likewise).
    """
    present, joint, way = choice[..., 0], choice[..., 1], choice[..., 2]
    row = (joint * joints.shape[1]).long().clamp(max=joints.shape[1] - 1)
    target = joints.gather(1, row[..., None].expand(-1, -1, 3))
    sideways, upward = choice[..., 6], choice[..., 7]
    shift = torch.stack([sideways, torch.zeros_like(sideways), upward], dim=-1)
    center = camera[:, None] + way[..., None] * (target + shift - camera[:, None])
    return center, choice[..., 3:6] * (way * present)[..., None]
