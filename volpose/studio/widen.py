"""Poses beyond the actions: the same takes, with everything the body can do added to them."""

import math

from volpose.studio.puppet import Goals, SideGoals, Triple
from volpose.studio.style import Style, mix


def widen(goals: Goals, style: Style, spread: float) -> Goals:
    """Bend, turn and reach away from what an action asks for, smoothly in time.

    Args:
        goals: of the action; changed in place.
        style: random choices of its own, so that the action's are the ones it would have had.
        spread: 0 leaves the action alone; at 1 half of the hands go where they like, one standing
            take in five has a foot in the air, and the trunk leaves its place by some 15 degrees.
    """
    flex, bend, twist = goals.spine
    goals.spine = (
        flex + spread * (style.normal(4, 12) + style.wobble(8)),
        bend + spread * (style.normal(0, 9) + style.wobble(6)),
        twist + spread * (style.normal(0, 12) + style.wobble(8)),
    )
    nod, turn = goals.head
    goals.head = (nod + spread * style.normal(0, 10), turn + spread * style.normal(0, 20))
    crouch = 0.25 * spread * style.uniform() ** 2
    raised = style.chance(0.2 * spread) and not goals.chair
    for number, side in enumerate((goals.left, goals.right)):
        _reach(side, style, spread)
        step = spread * (style.normal(0, 0.12)), spread * style.normal(0, 0.14)
        up = style.uniform(0.08, 0.5) * style.pulse(6.0, 0.6)
        if not goals.chair:
            outward, backward, height = side.foot
            lifted = up if raised and number == 0 else 0.0
            side.foot = (max(outward + step[0], 0.03), backward + step[1], height + lifted)
    if not goals.chair:
        goals.height -= crouch
    return goals


def _reach(side: SideGoals, style: Style, spread: float) -> None:
    """Send a hand anywhere before, beside or above the body, or leave it to the action."""
    free = style.chance(0.5 * spread)
    share, length = style.pulse(7.0, 0.7), style.uniform(0.45, 1.0)
    around, up = style.uniform(-0.35, 1.0) * math.pi / 2, style.uniform(-0.9, 1.0)
    flat = math.sqrt(1 - up**2)
    goal: Triple = (
        length * flat * math.sin(around) + style.wobble(0.12),
        -length * flat * math.cos(around) + style.wobble(0.12),
        length * up + style.wobble(0.12),
    )
    elbow = (style.uniform(0.3, 1.0), style.uniform(-0.2, 0.6), style.uniform(-0.9, 0.3))
    if free:
        start = side.hand if side.anchor == "shoulder" else goal
        side.hand, side.anchor, side.elbow = mix(share, start, goal), "shoulder", elbow
    else:
        small = (spread * style.normal(0, 0.06) for _ in range(3))
        side.hand = tuple(a + b for a, b in zip(side.hand, small, strict=True))
