"""The fifteen actions of Human3.6M as small programs: a take's style at a time in, goals out.

A program is a pure function, so any moment of any take can be asked for on its own. `Style` holds
the random choices of one take: a program asks for them in a fixed order and gets the same ones at
every time.
"""

import math
from collections.abc import Callable

from volpose.studio.gestures import EAR, EYES, HANG, MOUTH, ON_HIP, gesture, hand_to_head, stand
from volpose.studio.puppet import Goals, SideGoals
from volpose.studio.style import Style, mix

OTHER = {"left": "right", "right": "left"}


def directions(style: Style) -> Goals:
    """Point the way, now and then with the other hand too."""
    goals = stand(style)
    for name, duty in ((style.choose(("left", "right")), 0.55), ("right", 0.15)):
        up = style.pulse(3.0, duty)
        aim = (
            style.uniform(0.2, 0.9) + style.wobble(0.3),
            -0.7 + style.wobble(0.3),
            0.1 + style.wobble(0.5),
        )
        goals.side(name).hand = mix(up, goals.side(name).hand, aim)
    return goals


def discussion(style: Style) -> Goals:
    """Talk with both hands, in some takes mostly with one."""
    goals = stand(style)
    quiet = style.choose(("none", "none", "left", "right"))
    for name in ("left", "right"):
        gesture(goals.side(name), style, amount=0.3 if name == quiet else 1.0)
    return goals


def eating(style: Style) -> Goals:
    """Bring a hand to the mouth and back; the other holds the plate."""
    goals = stand(style)
    name = style.choose(("left", "right"))
    hand_to_head(goals.side(name), style.pulse(3.5), MOUTH)
    if style.chance(0.5):
        goals.side(OTHER[name]).hand = (-0.05 + style.wobble(0.08), -0.50, -0.50)
    return goals


def greeting(style: Style) -> Goals:
    """Wave or shake a hand; sometimes bow, sometimes open both arms."""
    goals = stand(style)
    name, up = style.choose(("left", "right")), style.pulse(5.0, 0.6)
    wave = (0.45 + style.wobble(0.5, 2.0), -0.25, 0.75)
    shake = (0.05, -0.75, -0.25 + style.wobble(0.15, 2.0))
    goal = style.choose((wave, wave, shake))
    both, bow = style.chance(0.25), style.chance(0.25)
    for side in ("left", "right") if both else (name,):
        goals.side(side).hand = mix(up, HANG, goal)
        goals.side(side).elbow = (0.8, 0.3, -0.5)
    if bow:
        goals.pitch, goals.head = 12 * up, (10 * up, 0.0)
        goals.spine = (8 + 14 * up, goals.spine[1], goals.spine[2])
    return goals


def phoning(style: Style) -> Goals:
    """Hold a phone to the ear and pace on the spot; the other hand talks along."""
    goals = stand(style)
    name, pace = style.choose(("left", "right")), style.wobble(0.12, 0.5)
    hand_to_head(goals.side(name), style.pulse(40.0, 0.95), EAR)
    away = -8.0 if name == "right" else 8.0
    goals.head = (8 + style.wobble(6), away + style.wobble(15))
    goals.left.foot, goals.right.foot = (0.15, pace, 0.0), (0.15, -pace, 0.0)
    free = goals.side(OTHER[name])
    free.hand = (
        0.15 + style.wobble(0.25),
        -0.10 - abs(style.wobble(0.30)),
        -0.75 + style.wobble(0.15),
    )
    return goals


def photo(style: Style) -> Goals:
    """Hold a camera before the eyes with both hands, at times in a crouch."""
    goals = stand(style)
    for side in (goals.left, goals.right):
        hand_to_head(side, style.pulse(30.0, 0.85), EYES)
    bend = style.wobble(6) + 12
    low = style.choose((0.0, 0.0, 1.0)) * style.pulse(9.0, 0.5)
    goals.height -= 0.28 * low
    goals.pitch = 14 * low
    goals.spine, goals.head = (bend + 6 * low, 0.0, style.wobble(8)), (5.0 - 10 * low, 0.0)
    return goals


def posing(style: Style) -> Goals:
    """Strike a pose with each arm, hold it for some seconds, strike another."""
    goals = stand(style)
    options = (
        (ON_HIP, "pelvis"),
        ((0.35, 0.10, 0.28), "head"),
        ((0.90, 0.0, 0.15), "shoulder"),
        ((-0.30, -0.38, -0.25), "shoulder"),
        ((0.45, -0.10, 0.85), "shoulder"),
        (HANG, "shoulder"),
    )
    change = style.pulse(10.0, 0.5) > 0.5
    for side in (goals.left, goals.right):
        first, second = style.choose(options), style.choose(options)
        side.hand, side.anchor = second if change else first
        side.elbow = (1.0, 0.45, -0.1)
    lunge = style.uniform(0, 0.35) * style.choose((0.0, 1.0))
    goals.left.foot = (0.15, -lunge, 0.0)
    goals.right.foot = (0.15, lunge, 0.0)
    goals.height -= 0.4 * lunge
    return goals


def purchases(style: Style) -> Goals:
    """Bend down to lift a bag, stand up with it, look inside."""
    goals = stand(style)
    down, deep = style.pulse(6.0), style.uniform(0.5, 1.1)
    down *= deep
    goals.height, goals.pitch = 0.99 - 0.3 * down, 30 * down
    goals.spine = (8 + 38 * down, 0.0, style.wobble(15))
    goals.head = (15 * down, style.wobble(10))
    goals.left.hand = mix(min(down, 1.0), HANG, (0.10, -0.75, -0.50))
    goals.right.hand = mix(min(down, 1.0), HANG, (0.0, -0.65, -0.65))
    if style.chance(0.4):
        gesture(goals.side(style.choose(("left", "right"))), style, amount=0.4)
    return goals


def sitting(style: Style) -> Goals:
    """Sit on a chair, lean, gesture, put hands on the thighs."""
    goals = stand(style)
    goals.chair, goals.height = True, 0.50 + style.wobble(0.005)
    goals.place = (style.uniform(-0.6, 0.6), style.uniform(-0.9, 0.9))
    goals.yaw, goals.pitch = style.uniform(-180, 180), style.uniform(-12, 4)
    goals.roll = goals.twist = 0.0
    lean = style.uniform(-2, 28) + style.wobble(8)
    goals.spine = (lean, style.wobble(7), style.wobble(14))
    apart = style.uniform(0.12, 0.28)
    for side in (goals.left, goals.right):
        forward = style.uniform(0.46, 0.75)
        side.foot = (apart + style.wobble(0.02), -forward, 0.0)
        side.knee = (style.uniform(0, 0.5), -0.8, 0.8)
        on_thigh = (0.22, -0.58 + style.wobble(0.08), 0.20 + style.wobble(0.03))
        in_front = (0.08 + style.wobble(0.2), -0.60, 0.38 + style.wobble(0.12))
        talking = (0.15 + style.wobble(0.3, 0.8), -0.50, -0.30 + style.wobble(0.4))
        options = ((on_thigh, "pelvis"), (in_front, "pelvis"), (talking, "shoulder"))
        side.hand, side.anchor = style.choose(options)
    if style.chance(0.2):
        hand_to_head(goals.side(style.choose(("left", "right"))), style.pulse(8.0, 0.7), EAR)
    return goals


# ways to sit on the floor: left foot, right foot, direction of the knees
FLOOR_SITS = (
    ((0.10, -0.62, 0.0), (0.10, -0.62, 0.0), (0.25, -0.5, 1.0)),  # knees up
    ((0.16, -0.45, 0.0), (0.22, -0.95, 0.0), (0.4, -0.5, 1.0)),  # one leg stretched
    ((0.05, -0.42, 0.0), (0.02, -0.34, 0.0), (1.2, -0.35, 0.25)),  # cross-legged
    ((0.14, -0.93, 0.0), (0.10, -0.95, 0.0), (0.3, -0.5, 1.0)),  # both legs stretched
)


def sitting_down(style: Style) -> Goals:
    """Squat, sit down on the floor, stay a while, get up again."""
    goals = stand(style)
    down = style.pulse(12.0, 0.62)
    between = 4 * down * (1 - down)
    left_foot, right_foot, knees = style.choose(FLOOR_SITS)
    goals.height = 0.985 - 0.92 * down
    goals.pitch = 24 * between - 10 * down
    flex = 6 + 22 * down + 8 * between
    goals.spine = (flex, style.wobble(6), style.wobble(14))
    goals.roll = goals.twist = 0.0
    for side, foot in ((goals.left, left_foot), (goals.right, right_foot)):
        side.foot = mix(down, (0.16, 0.0, 0.0), foot)
        side.knee = mix(down, (0.15, -1.0, 0.1), knees)
        forward = (0.25, -0.55 + style.wobble(0.1), -0.45)
        behind = (0.45, 0.45, -0.74)
        side.hand = mix(down, HANG, forward if style.chance(0.6) else behind)
        side.elbow = (0.7, 0.6, -0.3)
    return goals


def smoking(style: Style) -> Goals:
    """Bring a hand to the mouth for a moment and rest; the other arm may be folded."""
    goals = stand(style)
    name = style.choose(("left", "right"))
    hand_to_head(goals.side(name), style.pulse(5.0, 0.35), MOUTH)
    if style.chance(0.4):
        goals.side(OTHER[name]).hand = (-0.28, -0.36, -0.45)
    return goals


def waiting(style: Style) -> Goals:
    """Wait: arms hanging, crossed, on the hips or behind the back, weight on one leg."""
    goals = stand(style)
    manner = style.choose(("hang", "crossed", "hips", "behind"))
    if manner == "crossed":
        goals.left.hand, goals.right.hand = (-0.28, -0.36, -0.38), (-0.26, -0.42, -0.44)
    for side in (goals.left, goals.right):
        if manner == "hips":
            side.hand, side.anchor, side.elbow = ON_HIP, "pelvis", (1.0, 0.45, -0.1)
        if manner == "behind":
            side.hand = (-0.15, 0.28, -0.80)
    goals.roll += style.normal(0, 4)
    return goals


def walking(style: Style) -> Goals:
    """Walk round the room on an oval; feet keep the pace of the body."""
    pace = style.uniform(0.75, 1.05)  # strides a second
    phase = 2 * math.pi * (pace * style.time + style.uniform())
    stride, radius = style.uniform(0.26, 0.36), style.uniform(0.7, 1.2)
    turning = style.choose((-1.0, 1.0))
    speed = 4 * pace * stride * 0.85 / radius  # radians a second, from the stride's length
    angle = turning * speed * style.time + style.uniform(0, 2 * math.pi)
    velocity = (-turning * math.sin(angle), 0.8 * turning * math.cos(angle))
    goals = Goals(
        height=0.966 - 0.02 * math.cos(2 * phase),
        place=(radius * math.cos(angle), 0.8 * radius * math.sin(angle)),
        yaw=math.degrees(math.atan2(velocity[0], -velocity[1])),
        pitch=2.0,
        roll=2.5 * math.cos(phase),
        twist=5 * math.sin(phase),
        spine=(style.uniform(1, 9), 0.0, -10 * math.sin(phase)),
        head=(style.normal(5, 4) + style.wobble(4), style.wobble(18)),
    )
    for side, own in ((goals.left, phase), (goals.right, phase + math.pi)):
        _swing_leg(side, own, stride)
        swing = 0.42 * style.uniform(0.6, 1.3)
        side.hand = (0.17, -swing * math.cos(own), -0.88 + 0.12 * max(math.cos(own), 0.0))
        side.elbow = (0.25, 1.0, -0.2)
    return goals


def _swing_leg(side: SideGoals, phase: float, stride: float) -> None:
    """One leg at a phase of its step: it swings forward while sin > 0, else carries the body."""
    sin, cos = math.sin(phase), math.cos(phase)
    side.foot = (0.085, stride * cos, 0.13 * max(sin, 0.0) ** 1.5)
    side.heading = 6.0
    if sin > 0:
        side.toe = 42 * max(cos, 0.0) - 16 * max(-cos, 0.0) ** 2
    else:
        side.toe = 22 * max(cos - 0.45, 0.0) - 14 * max(-cos - 0.6, 0.0)


def walk_dog(style: Style) -> Goals:
    """Walk with one arm held out by a leash."""
    goals = walking(style)
    goals.side(style.choose(("left", "right"))).hand = (
        0.20 + style.wobble(0.15),
        -0.55 + style.wobble(0.2),
        -0.60 + style.wobble(0.2),
    )
    return goals


def walk_together(style: Style) -> Goals:
    """Walk beside someone: the head turned to one side, a hand that talks now and then."""
    goals = walking(style)
    side = style.choose((-1.0, 1.0))
    goals.head = (3.0, side * style.uniform(15, 45) + style.wobble(15))
    if style.chance(0.3):
        gesture(goals.side(style.choose(("left", "right"))), style, amount=0.5)
    return goals


PROGRAMS: dict[str, Callable[[Style], Goals]] = {
    "Directions": directions,
    "Discussion": discussion,
    "Eating": eating,
    "Greeting": greeting,
    "Phoning": phoning,
    "Photo": photo,
    "Posing": posing,
    "Purchases": purchases,
    "Sitting": sitting,
    "SittingDown": sitting_down,
    "Smoking": smoking,
    "Waiting": waiting,
    "WalkDog": walk_dog,
    "Walking": walking,
    "WalkTogether": walk_together,
}
ACTIONS = tuple(PROGRAMS)
