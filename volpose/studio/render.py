"""A z-buffer in plain torch: which triangle is seen at each pixel, for a whole batch at once."""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import normalize

NEAR = 100.0  # mm; triangles that come closer to the camera are dropped
DEPTH_STEPS = 64.0  # depth is compared in steps of 1/64 mm
NOTHING = 2**62


class Hits(NamedTuple):
    """The pixels that show the mesh.

    pixel: index into the flattened (B, size, size) image. image: which of the batch. triangle: row
    of `faces`. weights: perspective-correct weights of its three corners.
    """

    pixel: Int[Tensor, " hits"]
    image: Int[Tensor, " hits"]
    triangle: Int[Tensor, " hits"]
    weights: Float[Tensor, "hits 3"]


def rasterize(
    points_px: Float[Tensor, "batch vertices 2"],
    depth: Float[Tensor, "batch vertices"],
    faces: Int[Tensor, "faces 3"],
    size: int,
) -> Hits:
    """Find the nearest front-facing triangle at the center of each pixel.

    Args:
        points_px: projected vertices, px.
        depth: their distance along the optical axis, mm.
        faces: corners of each triangle, counter-clockwise seen from outside.
        size: of the square image, px.
    """
    corners = points_px[:, faces]  # B F 3 2
    depths = depth[:, faces]  # B F 3
    low = (corners.amin(2) - 0.5).ceil().clamp(min=0)
    high = (corners.amax(2) - 0.5).floor().clamp(max=size - 1)
    span = (high - low + 1).clamp(min=0)
    first, second = corners[:, :, 1] - corners[:, :, 0], corners[:, :, 2] - corners[:, :, 0]
    area = first[..., 0] * second[..., 1] - first[..., 1] * second[..., 0]
    # y points down in images, so a counter-clockwise triangle has a negative area
    front = (area < 0) & (depths.amin(2) > NEAR)
    count = (span[..., 0] * span[..., 1] * front).flatten().long()
    kept = count.nonzero()[:, 0]
    table = _edge_table(
        corners.flatten(0, 1)[kept],
        area.flatten()[kept],
        depths.flatten(0, 1)[kept],
    )
    low, span = low.flatten(0, 1)[kept].long(), span.flatten(0, 1)[kept].long()
    owner, x, y = _candidates(count[kept], low, span)
    return _nearest(owner, x, y, table, kept, len(faces), len(depth), size)


def _edge_table(corners: Tensor, area: Tensor, depths: Tensor) -> Tensor:
    """Per triangle: slopes of the first two corner weights, the third corner, inverse depths."""
    x, y = corners[..., 0], corners[..., 1]
    slope_x = torch.stack([y[:, 1] - y[:, 2], y[:, 2] - y[:, 0]], dim=1) / area[:, None]
    slope_y = torch.stack([x[:, 2] - x[:, 1], x[:, 0] - x[:, 2]], dim=1) / area[:, None]
    return torch.cat([slope_x, slope_y, x[:, 2:], y[:, 2:], 1 / depths], dim=1)


def _candidates(count: Tensor, low: Tensor, span: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Every pixel of every triangle's bounding box: (triangle, x, y)."""
    rows = torch.arange(len(count), device=count.device)
    owner = torch.repeat_interleave(rows, count)
    start = count.cumsum(0) - count
    packed = torch.cat([start[:, None], span[:, :1], low], dim=1).index_select(0, owner)
    start, width, left, top = packed.unbind(1)
    number = torch.arange(len(owner), device=count.device) - start
    row = number // width
    return owner, left + number - row * width, top + row


def _nearest(
    owner: Tensor, x: Tensor, y: Tensor, table: Tensor, kept: Tensor,
    num_faces: int, batch: int, size: int,
) -> Hits:  # fmt: skip
    """Keep the candidates inside their triangle, and of those the nearest at each pixel."""
    rows = table.index_select(0, owner)
    dx, dy = x + 0.5 - rows[:, 4], y + 0.5 - rows[:, 5]
    a = rows[:, 0] * dx + rows[:, 2] * dy
    b = rows[:, 1] * dx + rows[:, 3] * dy
    c = 1 - a - b
    inside = ((a >= 0) & (b >= 0) & (c >= 0)).nonzero()[:, 0]
    # linear in the image are weight / depth and 1 / depth, not the weights
    weights = torch.stack([a[inside], b[inside], c[inside]], dim=1) * rows[inside, 6:]
    inverse = weights.sum(1)
    face = kept[owner[inside]]
    pixel = (face // num_faces) * (size * size) + y[inside] * size + x[inside]
    order = torch.arange(len(inside), device=owner.device)
    # depth in the upper bits, position in the lower: the minimum is unique, so order never matters
    key = ((DEPTH_STEPS / inverse).long() << 32) | order
    best = torch.full((batch * size * size,), NOTHING, dtype=torch.long, device=owner.device)
    best.scatter_reduce_(0, pixel, key, "amin")
    seen = (best < NOTHING).nonzero()[:, 0]
    winner = best[seen] & 0xFFFFFFFF
    face = face[winner]
    return Hits(
        pixel=seen,
        image=face // num_faces,
        triangle=face % num_faces,
        weights=weights[winner] / inverse[winner, None],
    )


def faces_around_vertices(faces: Int[Tensor, "faces 3"], num_vertices: int) -> Tensor:
    """The triangles at each vertex (V, most), padded with the number of triangles."""
    order = faces.flatten().argsort(stable=True)
    vertex, face = faces.flatten()[order], order // 3
    count = torch.bincount(vertex, minlength=num_vertices)
    slot = torch.arange(len(vertex)) - (count.cumsum(0) - count)[vertex]
    table = torch.full((num_vertices, int(count.max())), len(faces))
    table[vertex, slot] = face
    return table


def vertex_normals(
    vertices: Float[Tensor, "batch vertices 3"],
    faces: Int[Tensor, "faces 3"],
    around: Int[Tensor, "vertices most"],
) -> Float[Tensor, "batch vertices 3"]:
    """Unit normals, averaged over the triangles at each vertex by area."""
    a, b, c = vertices[:, faces].unbind(2)
    normals = torch.linalg.cross(b - a, c - a)
    normals = torch.cat([normals, torch.zeros_like(normals[:, :1])], dim=1)
    total = normals.index_select(1, around.flatten()).unflatten(1, around.shape).sum(2)
    return normalize(total, dim=-1)
