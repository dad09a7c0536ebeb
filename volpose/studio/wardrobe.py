"""What an actor wears: colors and the cut of clothes, hair and shoes."""

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

MATERIALS = ("skin", "hair", "shirt", "pants", "shoes", "accent", "dark", "chair", "occluder")
MATERIAL = {name: number for number, name in enumerate(MATERIALS)}
PATTERNS = ("plain", "stripes", "columns", "checks", "blotches", "yoke", "print")
PATTERN_SHARES = (0.3, 0.15, 0.1, 0.1, 0.1, 0.1, 0.15)

HAIR_COLORS = (
    (0.09, 0.08, 0.08), (0.16, 0.12, 0.10), (0.27, 0.18, 0.12), (0.38, 0.26, 0.17),
    (0.68, 0.55, 0.35), (0.48, 0.24, 0.13), (0.50, 0.49, 0.48),
)  # fmt: skip

# The cut of an outfit, in this order. Sleeve and cuff are positions along the limb (1 elbow or
# knee, 2 wrist or ankle); the rest is in mm of the mean body unless it is a choice.
CUT = (
    "sleeve", "cuff", "pattern", "frequency", "hairline", "long_hair", "hem",
    "shirt_ease", "pants_ease", "hair_ease",
)  # fmt: skip


class Cut(NamedTuple):
    """The cut of many outfits: one tensor per name in `CUT`."""

    sleeve: Tensor
    cuff: Tensor
    pattern: Tensor
    frequency: Tensor
    hairline: Tensor
    long_hair: Tensor
    hem: Tensor
    shirt_ease: Tensor
    pants_ease: Tensor
    hair_ease: Tensor


def draw_outfit(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw an outfit.

    Args:
        rng: the source of randomness.

    Returns:
        Linear RGB color of each material (M, 3), and the cut (10,).
    """

    def color(low: float, high: float) -> np.ndarray:
        drawn = rng.uniform(low, high, 3)
        # most cloth is muted, some is bright
        return drawn.mean() + (drawn - drawn.mean()) * rng.uniform(0.0, 1.0) ** 1.5

    tone = rng.uniform(0.3, 1.0) ** 0.7
    skin = np.array([0.93, 0.72 + 0.03 * rng.normal(), 0.60 + 0.04 * rng.normal()]) * tone
    hair = np.array(HAIR_COLORS[rng.integers(len(HAIR_COLORS))]) * rng.uniform(0.8, 1.2)
    shirt, pants, shoes = color(0.08, 0.95), color(0.05, 0.65), color(0.03, 0.85)
    dark = np.array([0.10, 0.06, 0.06])
    display = [skin, hair, shirt, pants, shoes, color(0.05, 0.95), dark, color(0.1, 0.5)]
    display.append(color(0.05, 0.9))
    cut = [
        rng.choice([0.45, 0.6, 1.05, 1.95, 1.95]),
        rng.choice([0.6, 1.0, 1.95, 1.95, 1.95]),
        rng.choice(len(PATTERNS), p=PATTERN_SHARES),
        rng.uniform(0.025, 0.070),  # radians per mm
        rng.uniform(-30, 10),
        float(rng.uniform() < 0.35),
        rng.uniform(-90, 40),
        rng.uniform(4, 26),
        rng.uniform(3, 20),
        rng.choice([2.0, 12.0, 22.0]),
    ]
    # clothes are chosen as display colors; light adds up in linear ones
    return np.stack(display).clip(0.01, 1.0) ** 2, np.array(cut, dtype=np.float64)


class Regions(NamedTuple):
    """Which points of the body each piece covers."""

    shirt: Tensor
    pants: Tensor
    shoes: Tensor
    hair: Tensor
    face: Tensor


def regions(
    place: tuple[Tensor, Tensor, Tensor],
    fields: tuple[Tensor, Tensor, Tensor],
    cut: Cut,
    head: tuple[float, float],
) -> Regions:
    """Cut clothes and hair out of the mean body.

    Args:
        place: x, y, z of the points on the mean body in its rest pose, mm from the pelvis.
        fields: along the arm, along the leg, belongs to the head (see `Body.fields`).
        cut: of the outfit each point wears.
        head: y and z of the mean body's head joint, mm.
    """
    _, y, z = place
    arm, leg, of_head = fields
    back, up = y - head[0], z - head[1]
    shirt = (z > cut.hem) & (arm < cut.sleeve) & (of_head < 0.5) & (leg < 0.35)
    pants = (z <= cut.hem) & (arm < 0.01) & (leg < cut.cuff)
    shoes = (leg > 1.93) & ~pants
    skull = of_head > 0.9
    crown = up + 0.75 * back > 78 + cut.hairline
    sides = (back > 5) & (up > 20)
    curtain = (cut.long_hair > 0) & (back > 15) & (up > -90)
    hair = (skull & (crown | sides)) | ((of_head > 0.6) & curtain)
    face = skull & (back < -60) & ~hair
    return Regions(shirt, pants, shoes, hair, face)


def clothing_thickness(
    mean_vertices: Float[Tensor, "vertices 3"],
    fields: Float[Tensor, "vertices 3"],
    cut: Float[Tensor, "batch cuts"],
    head: tuple[float, float],
) -> Float[Tensor, "batch vertices"]:
    """How far cloth, hair and shoes stand off the skin at each vertex, mm."""
    parts = Cut(*cut[:, None].unbind(-1))
    worn = regions(mean_vertices.unbind(1), fields.unbind(1), parts, head)
    up, leg = mean_vertices[:, 2], fields[:, 1]
    # cloth hangs from the shoulders and waist: it is wider below
    hang = (1.0 - up / 600.0).clamp(0.15, 1.0)
    flare = 0.5 + 0.35 * leg.clamp(0, 2)
    thickness = worn.shirt * parts.shirt_ease * hang + worn.pants * parts.pants_ease * flare
    return thickness + 7.0 * worn.shoes + worn.hair * parts.hair_ease


def materials(
    place: tuple[Tensor, Tensor, Tensor],
    fields: tuple[Tensor, Tensor, Tensor],
    prop: Tensor,
    cut: Cut,
    head: tuple[float, float],
) -> tuple[Tensor, Tensor]:
    """The material of each visible point, and whether it is cloth.

    Args:
        place: x, y, z on the mean body in its rest pose, mm from the pelvis.
        fields: along the arm, along the leg, belongs to the head.
        prop: 0 on the body, else the prop's material number.
        cut: of the outfit each point wears.
        head: y and z of the mean body's head joint, mm.
    """
    x, y, z = place
    worn = regions(place, fields, cut, head)
    up = z - head[1]
    eyes = ((x.abs() - 33).abs() < 14) & ((up - 64).abs() < 7)
    mouth = (x.abs() < 23) & ((up + 4).abs() < 5)
    features = worn.face & (eyes | mouth)
    accent = worn.shirt & _pattern(x, y, z, cut)
    choice = torch.zeros_like(x, dtype=torch.long)
    for mask, name in (
        (worn.shirt, "shirt"), (accent, "accent"), (worn.pants, "pants"),
        (worn.shoes, "shoes"), (worn.hair, "hair"), (features, "dark"),
    ):  # fmt: skip
        choice = choice.masked_fill(mask, MATERIAL[name])
    prop = prop.round().long()
    body = prop == 0
    return torch.where(body, choice, prop), (worn.shirt | worn.pants) & body


def _pattern(x: Tensor, y: Tensor, z: Tensor, cut: Cut) -> Tensor:
    """Where the shirt shows its second color."""
    frequency, kind = cut.frequency, cut.pattern
    rows = torch.sin(frequency * z)
    columns = torch.sin(frequency * x + 0.5 * torch.sin(0.009 * z))
    blotches = torch.sin(0.023 * x + 0.017 * z + 1000 * frequency)
    blotches = blotches * torch.sin(0.031 * z - 0.019 * y)
    yoke = z > 330 + 2000 * (frequency - 0.045)
    print_ = (x.abs() < 90) & ((z - 330).abs() < 80) & (y < 0)
    return (
        (kind == 1) & (rows > 0)
        | (kind == 2) & (columns > 0.3)
        | (kind == 3) & (rows * columns > 0)
        | (kind == 4) & (blotches > 0.1)
        | (kind == 5) & yoke
        | (kind == 6) & print_
    )


def folds(
    place: tuple[Tensor, Tensor, Tensor], cloth: Tensor, phase: Tensor
) -> Float[Tensor, "points 3"]:
    """Small bends of the normal that make cloth look creased."""
    x, y, z = place
    bends = torch.stack(
        [
            torch.sin(0.038 * z + 0.011 * x + 6 * torch.sin(0.013 * y + phase)),
            torch.sin(0.029 * x - 0.021 * z),
            torch.sin(0.033 * y + 0.017 * z + phase),
        ],
        dim=1,
    )
    return 0.16 * bends * cloth[:, None]


def shaded_normals(normals: Tensor, bends: Tensor) -> Tensor:
    """Normals of unit length after bending."""
    return normalize(normals + bends, dim=1)
