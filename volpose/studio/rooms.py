"""Where the actors stand: rooms and open places as boxes with painted sides, seen along rays."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate

TEXELS = 128
FLOOR, CEILING = 4, 5  # sides of the box; 0 to 3 are the walls at -x, +x, -y, +y
STUDIO_HALF, STUDIO_CEILING = (3200.0, 5800.0), 2900.0  # mm


@dataclass(frozen=True)
class Rooms:
    """A bank of boxes: half their extents in x and y, their heights (mm), and six textures each."""

    half: Float[Tensor, "rooms 2"]
    ceiling: Float[Tensor, " rooms"]
    tile: Float[Tensor, " rooms"]  # mm after which the floor's texture repeats
    open_air: Float[Tensor, " rooms"]
    textures: Tensor  # (rooms, 6, TEXELS, TEXELS, 3) linear colors

    @classmethod
    def draw(
        cls, count: int, outdoor: float, seed: list[int], device: str | torch.device = "cpu"
    ) -> "Rooms":
        """Draw rooms.

        Args:
            count: how many; the first of a single room is the studio.
            outdoor: share of open places.
            seed: what identifies the bank.
            device: where its tensors live.
        """
        shapes, textures = _draw_bank(count, outdoor, tuple(seed))
        shapes = torch.from_numpy(shapes).to(device)
        textures = torch.from_numpy(textures).to(device)
        return cls(shapes[:, :2], shapes[:, 2], shapes[:, 3], shapes[:, 4], textures)

    def look(
        self,
        which: Tensor,
        origin: Float[Tensor, "batch 3"],
        rays: tuple[Tensor, Tensor, Tensor],
    ) -> Float[Tensor, "batch height width 3"]:
        """Follow rays to the sides of the box.

        Args:
            which: (batch,) room of each picture.
            origin: where the rays start, mm.
            rays: x, y and z of their directions, each (batch, height, width).

        Returns:
            Linear color (batch, height, width, 3).
        """
        half, ceiling = self.half[which], self.ceiling[which]
        sides, distances = [], []
        for axis in range(3):
            far = half[:, axis] if axis < 2 else ceiling
            near = -far if axis < 2 else torch.zeros_like(far)
            towards = rays[axis] > 0
            start = origin[:, axis, None, None]
            away = torch.where(towards, (far)[:, None, None] - start, near[:, None, None] - start)
            sides.append(towards)
            distances.append(away / rays[axis])
        nearest = torch.minimum(torch.minimum(distances[0], distances[1]), distances[2])
        x, y, z = (origin[:, k, None, None] + nearest * rays[k] for k in range(3))
        on_x = nearest == distances[0]
        on_z = (nearest == distances[2]) & ~on_x
        side = torch.where(on_x, sides[0].long(), 2 + sides[1].long())
        side = torch.where(on_z, 4 + sides[2].long(), side)
        return self._paint(which, side, on_x, on_z, (x, y, z))

    def _paint(
        self, which: Tensor, side: Tensor, on_x: Tensor, on_z: Tensor, place: tuple
    ) -> Tensor:
        """Colors of the points where rays meet the box."""
        x, y, z = place
        half = self.half[which][:, :, None, None]
        ceiling = self.ceiling[which][:, None, None]
        tile = self.tile[which][:, None, None]
        u = torch.where(on_x, y / half[:, 1], x / half[:, 0]) * 0.5 + 0.5
        v = torch.where(on_z, y / half[:, 1] * 0.5 + 0.5, 1 - z / ceiling)
        floor = side == FLOOR
        u = torch.where(floor, (x / tile).remainder(1), u)
        v = torch.where(floor, (y / tile).remainder(1), v)
        column = (u * TEXELS).long().clamp(0, TEXELS - 1)
        row = (v * TEXELS).long().clamp(0, TEXELS - 1)
        index = ((which[:, None, None] * 6 + side) * TEXELS + row) * TEXELS + column
        color = self.textures.view(-1, 3).index_select(0, index.flatten()).view(*index.shape, 3)
        # corners are darker: the second smallest distance to a side, up to 0.8 m
        a, b = half[:, 0] - x.abs(), half[:, 1] - y.abs()
        c = torch.minimum(z, ceiling - z)
        gap = torch.maximum(torch.minimum(a, b), torch.minimum(torch.maximum(a, b), c))
        indoors = 1 - self.open_air[which][:, None, None]
        shade = 1 - indoors * 0.28 * (1 - gap.clamp(0, 800) / 800)
        return color * shade[..., None]


@lru_cache(maxsize=2)
def _draw_bank(count: int, outdoor: float, seed: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Shapes (half x, half y, ceiling, tile, open air) and textures of all rooms of a bank."""
    rooms = []
    for number in range(count):
        rng = np.random.default_rng([*seed, number])
        if count == 1:
            shape = (*STUDIO_HALF, STUDIO_CEILING, 2 * STUDIO_HALF[0], 0.0)
            rooms.append((shape, _indoor(rng)))
        elif (number + 0.5) / count < outdoor:
            far = rng.uniform(9000, 30000)
            shape = (far, far, rng.uniform(0.5, 0.8) * far, rng.uniform(4000, 12000), 1.0)
            rooms.append((shape, _outdoor(rng)))
        else:
            half = rng.uniform(3500, 9000, 2)
            shape = (*half, rng.uniform(2600, 6000), rng.uniform(3000, 12000), 0.0)
            rooms.append((shape, _indoor(rng, colorful=rng.uniform(0.2, 1.0))))
    shapes, textures = zip(*rooms, strict=True)
    return np.array(shapes, np.float32), np.stack(textures)


def _fractal(rng: np.random.Generator, channels: int, roughness: float = 0.6) -> np.ndarray:
    """Smooth noise of all sizes, as in natural pictures: (TEXELS, TEXELS, channels) around 0."""
    total = torch.zeros(1, channels, TEXELS, TEXELS)
    for octave in range(1, 7):
        grid = torch.from_numpy(rng.normal(size=(1, channels, 2**octave, 2**octave))).float()
        total += roughness**octave * interpolate(grid, (TEXELS, TEXELS), mode="bilinear")
    return total[0].permute(1, 2, 0).numpy()


def _patches(rng: np.random.Generator, picture: np.ndarray, count: int, colorful: float) -> None:
    """Put posters, doors, shelves and cables on a wall, in place."""
    for _ in range(count):
        height, width = rng.integers(3, 50), rng.integers(3, 36)
        top, left = rng.integers(0, TEXELS - height), rng.integers(0, TEXELS - width)
        color = rng.uniform(0.08, 0.9, 3)
        color = color.mean() + (color - color.mean()) * rng.uniform(0, colorful)
        area = picture[top : top + height, left : left + width]
        area[:] = color
        if rng.uniform() < 0.4:
            area[1:-1:3, 1:-1] *= 0.65
        if rng.uniform() < 0.3:
            area[:, 1:-1:4] *= 0.8


def _indoor(rng: np.random.Generator, colorful: float = 0.35) -> np.ndarray:
    """Six sides of a room: walls with things on them, a tiled floor, a plain ceiling."""
    sides = np.zeros((6, TEXELS, TEXELS, 3), np.float32)
    base = rng.uniform(0.5, 0.8) * np.array([1.0, 0.98, 0.95]) + rng.normal(0, 0.06 * colorful, 3)
    for side in range(6):
        color = base * rng.uniform(0.7, 1.2) + rng.normal(0, 0.10 * colorful, 3)
        sides[side] = np.clip(color, 0.08, 0.92)
        sides[side] += 0.05 * _fractal(rng, 1)
        if side < FLOOR:
            sides[side, 112:] *= rng.uniform(0.55, 0.9)
            _patches(rng, sides[side], int(rng.integers(5, 18)), colorful)
    grain = rng.integers(4, 20)
    y, x = np.mgrid[:TEXELS, :TEXELS] // grain
    sides[FLOOR] *= (1 - 0.15 * ((x + y) % 2) * rng.uniform(0, 1))[..., None]
    sides[FLOOR] += rng.uniform(0.02, 0.12) * _fractal(rng, 1, roughness=0.8)
    sides *= 1 + 0.04 * rng.standard_normal((6, TEXELS, TEXELS, 1))
    return (sides.clip(0, 1) ** 2).astype(np.float32)  # display colors to linear ones


def _outdoor(rng: np.random.Generator) -> np.ndarray:
    """Six sides of an open place: sky above a skyline of houses or trees, natural ground."""
    sides = np.zeros((6, TEXELS, TEXELS, 3), np.float32)
    zenith = np.array([0.35, 0.55, 0.85]) * rng.uniform(0.7, 1.2) + rng.normal(0, 0.08, 3)
    horizon = np.array([0.8, 0.85, 0.9]) * rng.uniform(0.8, 1.1) + rng.normal(0, 0.05, 3)
    height = np.linspace(1, 0, TEXELS)[:, None, None]
    clouds = rng.uniform(0, 0.12)
    for side in range(4):
        sides[side] = horizon + (zenith - horizon) * height + clouds * _fractal(rng, 1)
        _skyline(rng, sides[side])
    sides[CEILING] = zenith
    ground = rng.choice([0, 1, 2])
    color = np.array([[0.30, 0.40, 0.18], [0.50, 0.48, 0.45], [0.65, 0.55, 0.38]][ground])
    color = color + rng.normal(0, 0.05, 3)
    sides[FLOOR] = (
        color + rng.uniform(0.05, 0.2) * _fractal(rng, 3, roughness=0.9).mean(-1)[..., None]
    )
    sides *= 1 + 0.05 * rng.standard_normal((6, TEXELS, TEXELS, 1))
    return (sides.clip(0, 1) ** 2).astype(np.float32)  # display colors to linear ones


def _skyline(rng: np.random.Generator, picture: np.ndarray) -> None:
    """Draw houses (straight, with windows) or trees (rough, green) at the bottom of a wall."""
    left = 0
    while left < TEXELS:
        width = int(rng.integers(6, 40))
        top = TEXELS - int(rng.integers(6, 60))
        area = picture[top:, left : left + width]
        if rng.uniform() < 0.5:
            color = rng.uniform(0.15, 0.8, 3)
            area[:] = color.mean() + (color - color.mean()) * rng.uniform(0, 0.6)
            area[2:-2:5, 1::4] *= rng.uniform(0.3, 0.7)
        else:
            green = np.array([0.22, 0.33, 0.13]) * rng.uniform(0.5, 1.4)
            leaves = green + 0.35 * _fractal(rng, 1, 0.8)[: area.shape[0], : area.shape[1]]
            edge = _fractal(rng, 1, 0.8)[0, : area.shape[1], 0] * 12 + 8
            show = np.arange(area.shape[0])[:, None] > edge[None]
            area[show] = leaves[show]
        left += width
