"""How much the studio's pictures vary: Human3.6M-like, hard, wild, or wild from anywhere."""

from dataclasses import asdict, dataclass, fields, replace

FINE = 128  # px; smaller crops are supersampled
Range = tuple[float, float]


@dataclass(frozen=True)
class Variation:
    """Every dial of the studio; the defaults make one room, four fixed cameras and few clothes.

    Args:
        rooms: how many rooms; with more than one, test rooms are never seen in training.
        outdoor: share of these rooms that are open places with a horizon.
        fixed_cameras: the four cameras of the studio; otherwise a new camera for every picture.
        camera_height: mm above the floor; this and the next three apply to free cameras.
        camera_distance: mm from the actor.
        camera_roll: largest roll, degrees.
        focal: focal length in units of the image's width.
        light_spread: degrees the light may leave its usual place; 180 is any side.
        light_strength: range of the light's strength.
        outfits: clothes per actor; 0 draws new clothes for every picture.
        free_bodies: a new build for every picture instead of the actors'.
        pose_spread: how far poses leave their actions, see `volpose.studio.widen`.
        body_jitter: spread of the changes to an actor's shape coefficients.
        occluders: chance of each of two crates to stand before the actor.
        blur: largest blur, px of the crop (one standard deviation).
        noise: range of the sensor noise's standard deviation, in units of white.
        exposure: spread of the exposure, stops.
        tint: spread of each color channel's gain.
        box_margin: side of the box in units of the longer side of the joints' bounding rectangle.
        box_jitter: spread of the box's shift and size, as a share of its side.
        astray: share of the boxes that are not around the actor, who is small in them, or beside;
            for networks that are to look for people.
        supersample: rendered pixels per pixel along each axis.

    Raises:
        ValueError: a number is outside its range.
    """

    rooms: int = 1
    outdoor: float = 0.0
    fixed_cameras: bool = True
    camera_height: Range = (1400.0, 1600.0)
    camera_distance: Range = (3000.0, 6000.0)
    camera_roll: float = 0.0
    focal: Range = (1.14, 1.15)
    light_spread: float = 8.0
    light_strength: Range = (0.95, 1.05)
    outfits: int = 12
    free_bodies: bool = False
    pose_spread: float = 0.0
    body_jitter: float = 0.0
    occluders: float = 0.0
    blur: float = 0.0
    noise: Range = (0.015, 0.02)
    exposure: float = 0.04
    tint: float = 0.0
    box_margin: float = 1.15
    box_jitter: float = 0.0
    astray: float = 0.0
    supersample: int = 1

    def __post_init__(self) -> None:
        positive = ("rooms", "supersample", "box_margin")
        for name in positive:
            if getattr(self, name) <= 0:
                raise ValueError(f"variation {name} must be positive, but is {getattr(self, name)}")
        for name in ("outdoor", "occluders", "pose_spread", "astray"):
            if getattr(self, name) > 1:
                raise ValueError(f"variation {name} is a share, but is {getattr(self, name)}")
        for each in fields(self):
            value = getattr(self, each.name)
            lowest = min(value) if isinstance(value, tuple) else value
            if lowest < 0:
                raise ValueError(f"variation {each.name} must not be negative, but is {value}")
            if isinstance(value, tuple) and value[0] > value[1]:
                raise ValueError(f"variation {each.name} must be (low, high), but is {value}")

    @classmethod
    def named(cls, name: str, size: int = FINE) -> "Variation":
        """The variation called `default`, `hard`, `wild` or `anywhere`, for crops of `size` px.

        Small crops are rendered with 2 x 2 samples a pixel: a forearm there is two pixels wide.
        """
        if name not in VARIATIONS:
            raise ValueError(
                f"variation must be one of {', '.join(VARIATIONS)} or a Variation, but is {name!r}"
            )
        return replace(VARIATIONS[name], supersample=1 if size >= FINE else 2)

    @property
    def name(self) -> str:
        """`default`, `hard`, `wild`, `anywhere`, or `custom`."""
        for name, each in VARIATIONS.items():
            if replace(each, supersample=self.supersample) == self:
                return name
        return "custom"

    def to_json(self) -> dict:
        """The dials as plain numbers and lists."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
        }

    @classmethod
    def from_json(cls, values: dict) -> "Variation":
        """Undo `to_json`."""
        return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})


VARIATIONS = {
    "default": Variation(),
    # what a lookup table cannot do: a benchmark that tells networks apart
    "hard": Variation(
        rooms=24,
        fixed_cameras=False,
        camera_height=(1000.0, 2200.0),
        camera_roll=4.0,
        focal=(1.0, 1.4),
        light_spread=60.0,
        light_strength=(0.8, 1.2),
        outfits=0,
        free_bodies=True,
        pose_spread=1.0,
        occluders=0.25,
        noise=(0.01, 0.03),
        exposure=0.15,
        tint=0.05,
    ),
    "wild": Variation(
        rooms=48,
        outdoor=0.4,
        fixed_cameras=False,
        camera_height=(500.0, 3000.0),
        camera_distance=(2500.0, 8000.0),
        camera_roll=10.0,
        focal=(0.8, 2.5),
        light_spread=180.0,
        light_strength=(0.6, 1.4),
        outfits=0,
        free_bodies=True,
        occluders=0.15,
        blur=1.2,
        noise=(0.0, 0.05),
        exposure=0.45,
        tint=0.12,
        box_margin=1.2,
        box_jitter=0.05,
    ),
}
# to learn where people are, and where not: as wild, but for the boxes
VARIATIONS["anywhere"] = replace(VARIATIONS["wild"], astray=0.4)
