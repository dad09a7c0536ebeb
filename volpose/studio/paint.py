"""From geometry to pixels: light on the actor, the room behind, the lens and the sensor."""

import math

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn.functional import conv2d, interpolate, normalize, pad

from volpose.camera import Camera
from volpose.studio.look import FRAME_HEIGHT, FRAME_WIDTH, Look
from volpose.studio.render import Hits
from volpose.studio.rooms import Rooms
from volpose.studio.wardrobe import Cut, folds, materials, shaded_normals

NOISE_BANK = 2**20
BLUR_TAPS = 4  # of the lens' blur on either side of a pixel
SHADOW_STEP = 4  # contact shadows are soft: a quarter of the resolution is enough


def shade(
    hits: Hits,
    corners: Float[Tensor, "hits 3 13"],
    look: Look,
    camera_position: Float[Tensor, "batch 3"],
    head: tuple[float, float],
) -> Float[Tensor, "hits 3"]:
    """Color of every pixel that shows the actor or a prop.

    Args:
        hits: the pixels.
        corners: attributes of each hit triangle's corners: place in the world (3, mm), normal (3),
            place on the mean body (3, mm), along arm, along leg, belongs to head, prop's material.
        look: of the pictures.
        camera_position: mm.
        head: y and z of the mean body's head joint, mm.

    Returns:
        Linear RGB.
    """
    # an explicit sum, not a product of matrices: the same bits for every size of the batch
    w = hits.weights[..., None]
    at = corners[:, 0] * w[:, 0] + corners[:, 1] * w[:, 1] + corners[:, 2] * w[:, 2]
    columns = at[:, 6:].t().contiguous().unbind(0)
    place, fields, prop = columns[:3], columns[3:6], columns[6]
    cut = Cut(*look.cut.float().index_select(0, hits.image).t().contiguous().unbind(0))
    material, cloth = materials(place, fields, prop, cut, head)
    num_materials = look.colors.shape[1]
    palette = look.colors.float().flatten(0, 1)
    color = palette.index_select(0, hits.image * num_materials + material)
    normal = shaded_normals(at[:, 3:6], folds(place, cloth.float(), 1000 * cut.frequency))
    eye = normalize(camera_position.float().index_select(0, hits.image) - at[:, :3], dim=1)
    light = look.light.float().index_select(0, hits.image)
    strength = look.strength.float().index_select(0, hits.image)
    gloss = (normal * normalize(light + eye, dim=1)).sum(1).clamp(min=0).pow(16)
    gloss = gloss * (0.10 - 0.08 * cloth.float())
    return color * _light(normal, at[:, 2], light, strength)[:, None] + gloss[:, None]


def _light(normal: Tensor, height: Tensor, light: Tensor, strength: Tensor) -> Tensor:
    """Matte light on points: from the lamp, and from everywhere but less so near the floor."""
    ambient = 0.16 + 0.34 * (0.5 + 0.5 * normal[:, 2])
    ambient = ambient * (0.6 + 0.4 * (height / 500).clamp(0, 1))
    direct = 0.75 * ((normal * light).sum(1) * 0.85 + 0.15).clamp(min=0)
    return ambient + direct * strength


def rays_of(camera: Camera, size: int, step: int = 1) -> tuple[Tensor, Tensor, Tensor]:
    """World directions through about every step-th pixel: x, y, z, each (batch, rows, columns)."""
    count = max(size // step, 1)
    pixels = (torch.arange(count, device=camera.focal.device) + 0.5) * (size / count)
    x = ((pixels - camera.center[:, :1]) / camera.focal[:, :1])[:, None, :]
    y = ((pixels - camera.center[:, 1:]) / camera.focal[:, 1:])[:, :, None]
    turn = camera.rotation[..., None, None]
    return tuple(turn[:, 0, k] * x + turn[:, 1, k] * y + turn[:, 2, k] for k in range(3))


def contact_shadow(
    camera: Camera, joints: Float[Tensor, "batch joints 3"], half: Tensor, size: int
) -> Float[Tensor, "batch {size} {size}"]:
    """How much light reaches the floor below the actor: one soft blob under each joint.

    Args:
        camera: whose image is the crop.
        joints: in the world, mm.
        half: half the room's extents, mm (batch, 2).
        size: of the crop, px.
    """
    x, y, z = rays_of(camera, size, SHADOW_STEP)
    origin = camera.position
    reach = -origin[:, 2, None, None] / z.clamp(max=-1e-3)
    floor_x = origin[:, 0, None, None] + reach * x
    floor_y = origin[:, 1, None, None] + reach * y
    height = joints[..., 2].clamp(min=0) / 1000
    sharpness = 0.5e-6 / (0.07 + 0.30 * height).square()
    darkness = 0.34 * torch.exp(-1.1 * height)
    # the blob moves away from the usual light with the joint's height
    dx = floor_x[..., None] - (joints[..., 0] + 250 * height)[:, None, None]
    dy = floor_y[..., None] - (joints[..., 1] + 120 * height)[:, None, None]
    blobs = torch.exp(-(dx.square() + dy.square()) * sharpness[:, None, None])
    light = (1 - darkness[:, None, None] * blobs).prod(-1)
    on_floor = (floor_x.abs() < half[:, 0, None, None]) & (floor_y.abs() < half[:, 1, None, None])
    light = torch.where(on_floor & (z < -1e-3), light, torch.ones_like(light))
    full = interpolate(light[:, None], (size, size), mode="bilinear", align_corners=False)
    return full[:, 0]


def background(
    camera: Camera, joints: Float[Tensor, "batch joints 3"], rooms: Rooms, room: Tensor, size: int
) -> Float[Tensor, "batch {size} {size} 3"]:
    """The room as the crop's camera sees it, with the actor's contact shadow, linear RGB."""
    seen = rooms.look(room, camera.position, rays_of(camera, size))
    return seen * contact_shadow(camera, joints, rooms.half[room], size)[..., None]


def compose(
    behind: Float[Tensor, "batch size size 3"], hits: Hits, color: Tensor, supersample: int
) -> Float[Tensor, "batch size size 3"]:
    """Put the rendered pixels before the background; averages the finer pixels of supersampling."""
    if supersample == 1:
        behind.view(-1, 3).index_copy_(0, hits.pixel, color)
        return behind
    batch, size = behind.shape[:2]
    fine = behind.new_zeros(batch * (size * supersample) ** 2, 4)
    fine[:, :3].index_copy_(0, hits.pixel, color)
    fine[:, 3].index_fill_(0, hits.pixel, 1.0)
    fine = fine.view(batch, size, supersample, size, supersample, 4)
    # a sum of slices: several times faster than a mean over two axes
    steps = range(supersample)
    fine = sum(fine[:, :, i, :, j] for i in steps for j in steps) / supersample**2
    return behind * (1 - fine[..., 3:]) + fine[..., :3]


def expose(
    linear: Float[Tensor, "batch size size 3"], look: Look, noise: Tensor
) -> UInt8[Tensor, "batch 3 size size"]:
    """What the camera's sensor records: gain, blur, gamma and noise.

    Args:
        linear: light in the crop, linear RGB.
        look: of the pictures.
        noise: bank of standard normal numbers, (NOISE_BANK,).
    """
    size = linear.shape[1]
    image = linear.permute(0, 3, 1, 2).contiguous() * look.gain.float()[:, :, None, None]
    if bool((look.blur > 0).any()):
        image = _blur(image, look.blur.float())
    image = image.clamp(min=0).sqrt()
    count = 3 * size * size
    start = (look.sensor % max(NOISE_BANK - count, 1)).tolist()
    if count <= NOISE_BANK:
        grain = torch.stack([noise[k : k + count] for k in start])
    else:  # a whole frame: repeat the bank
        repeats = noise.repeat(count // NOISE_BANK + 2)
        grain = torch.stack([repeats[k : k + count] for k in (look.sensor % NOISE_BANK).tolist()])
    image = image + look.noise.float()[:, None, None, None] * grain.view_as(image)
    return (image.clamp(0, 1) * 255 + 0.5).to(torch.uint8)


def frame_mask(box_center: Tensor, box_side: Tensor, size: int) -> Tensor:
    """1 for crop pixels whose center lies in the camera's image, else 0: (batch, size, size)."""
    pixels = (torch.arange(size, device=box_side.device) + 0.5) / size - 0.5
    x = box_center[:, :1] + pixels * box_side[:, None]
    y = box_center[:, 1:] + pixels * box_side[:, None]
    inside_x, inside_y = (x > 0) & (x < FRAME_WIDTH), (y > 0) & (y < FRAME_HEIGHT)
    return (inside_y[:, :, None] & inside_x[:, None, :]).to(torch.uint8)


def _blur(image: Tensor, sigma: Tensor) -> Tensor:
    """Gaussian blur with a width of its own for each picture."""
    batch, channels, size, _ = image.shape
    taps = torch.arange(-BLUR_TAPS, BLUR_TAPS + 1, device=image.device, dtype=image.dtype)
    weights = torch.exp(-taps.square() / (2 * sigma.clamp(min=0.05)[:, None].square()))
    weights = weights / weights.sum(1, keepdim=True)
    weights = weights.repeat_interleave(channels, 0)  # (B 3) taps
    flat = pad(image, [BLUR_TAPS] * 4, mode="replicate").flatten(0, 1)[None]
    groups = batch * channels
    flat = conv2d(flat, weights[:, None, :, None], groups=groups)
    flat = conv2d(flat, weights[:, None, None, :], groups=groups)
    return flat.view(batch, channels, size, size)


def noise_bank(seed: int, device: str | torch.device) -> Float[Tensor, " numbers"]:
    """Standard normal numbers that every picture's sensor noise is cut from."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(NOISE_BANK, generator=generator).to(device)


def look_at(position: Tensor, aim: Tensor, roll: Tensor) -> Float[Tensor, "batch 3 3"]:
    """World-to-camera rotations of cameras that look at a point, rolled by some degrees."""
    up = torch.tensor([0.0, 0.0, 1.0], dtype=position.dtype, device=position.device)
    forward = normalize(aim - position, dim=-1)
    right = normalize(torch.linalg.cross(forward, up.expand_as(forward)), dim=-1)
    down = torch.linalg.cross(forward, right)
    angle = roll[:, None] * (math.pi / 180)
    turned = torch.cos(angle) * right + torch.sin(angle) * down
    return torch.stack([turned, torch.linalg.cross(forward, turned), forward], dim=1)
