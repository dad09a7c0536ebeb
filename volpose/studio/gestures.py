"""Building blocks of the actions: standing about, talking hands, a hand at the head."""

from volpose.studio.puppet import Goals, SideGoals, Triple
from volpose.studio.style import Style, mix

HANG: Triple = (0.18, 0.0, -0.93)
# goals for a hand at the head, arm lengths from the middle of the skull
MOUTH: Triple = (0.16, -0.40, -0.28)
EAR: Triple = (0.27, -0.20, -0.28)
EYES: Triple = (0.20, -0.52, -0.14)
RESTING_LOW: Triple = (0.35, -0.55, -0.80)  # in front of the belly
ON_HIP: Triple = (0.40, 0.02, 0.22)  # from the pelvis


def stand(style: Style) -> Goals:
    """Stand somewhere, sway, look around, arms hanging: what most actions start from."""
    sway, width = style.wobble(0.03, 0.2), style.uniform(0.1, 0.2)
    goals = Goals(
        height=0.998 - abs(style.wobble(0.008)) - abs(style.normal(0, 0.005)),
        place=(
            style.uniform(-0.5, 0.5) + style.wobble(0.25, 0.07),
            style.uniform(-0.7, 0.7) + style.wobble(0.25, 0.07),
        ),
        yaw=style.uniform(-180, 180) + style.wobble(35, 0.12),
        roll=style.wobble(4, 0.2),
        twist=style.wobble(5),
        spine=(style.uniform(0, 8) + style.wobble(5), style.wobble(5), style.wobble(10)),
        head=(style.normal(4, 5) + style.wobble(10), style.wobble(35)),
    )
    for side, lean in ((goals.left, sway), (goals.right, -sway)):
        side.foot = (width + lean, style.normal(0, 0.06), 0.0)
        side.heading = style.uniform(0, 22)
        side.hand = (0.20 + style.wobble(0.06), style.wobble(0.1), -0.92)
    return goals


def hand_to_head(side: SideGoals, share: float, where: Triple) -> None:
    """Move a hand between the belly (share 0) and a place at the head (share 1)."""
    side.hand, side.anchor = mix(share, RESTING_LOW, where), "head"
    side.elbow = (0.75, 0.1, -0.75)


def gesture(side: SideGoals, style: Style, amount: float = 1.0) -> None:
    """Wave a hand about in front of the chest, as in talking."""
    side.hand = (
        0.05 + style.wobble(0.35 * amount, 1.0),
        -0.50 + style.wobble(0.25 * amount, 1.0),
        -0.35 + style.wobble(0.50 * amount, 0.8),
    )
