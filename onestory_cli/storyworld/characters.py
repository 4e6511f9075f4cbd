"""Drawing an actor: its motion over the shot, its limbs, body and accessory."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from onestory_cli.storyworld.anatomy import Anatomy, Pose, Tones, detail, solid
from onestory_cli.storyworld.canvas import ACCESSORY_DETAIL, INK, Brush, Canvas, Colour, PaintPart, rgb
from onestory_cli.storyworld.shapes import Array, Scalar, box, capsule, circle, cut
from onestory_cli.storyworld.species import BUILDERS
from onestory_cli.storyworld.vocabulary import COLOURS, KITE_ACTION
from onestory_cli.storyworld.world import Actor, CharacterLook

# World units per local unit: a character of height 1 fills about half of a wide shot.
CHARACTER_SCALE = 0.55
OUTLINE = 0.036
FLOATING = ("ghost",)

_TURN = np.float32(2 * np.pi)


@dataclass(frozen=True, kw_only=True)
class ActingStyle:
    """Motion parameters of a version of the world. Lengths are in local units, angles in radians.

    swing: how far feet go forward and back; phase: part of a cycle at which a walk begins
    lift: how high a forward foot rises; bob: how high the body rises at each step
    wave_angle, wave_swing: mean and amplitude of the waving arm's angle over the horizontal
    hand: radius of the hand of a raised arm, 0 for none
    crown: half width of a hat's crown as a part of its brim's inner width
    frog_hat: how much higher a frog wears its hat, so that the eyes on top of its head stay visible
    """

    walk_cycles: float = 2.0
    swing: float = 0.1
    phase: float = 0.0
    lift: float = 0.0
    bob: float = 0.01
    wave_cycles: float = 1.75
    wave_angle: float = 0.72
    wave_swing: float = 0.45
    reach: float = 0.3
    hand: float = 0.0
    crown: float = 0.8
    frog_hat: float = 0.0


# In version 2 a still from the middle of a walk or a wave shows the action.
STYLES: dict[int, ActingStyle] = {
    1: ActingStyle(),
    2: ActingStyle(
        swing=0.17,
        phase=0.25,
        lift=0.07,
        bob=0.022,
        wave_cycles=2.0,
        wave_angle=0.8,
        wave_swing=0.5,
        reach=0.4,
        hand=0.085,
        crown=1.08,
        frog_hat=0.2,
    ),
}

_KITE_ANGLE = 0.75


def draw_actor(
    canvas: Canvas, actor: Actor, *, ground: float, crowd: int, style: ActingStyle = STYLES[1]
) -> tuple[Array, Array]:
    """Paint an actor in every frame; return the position of its raised hand: x and y in world units, (T, 1, 1).

    crowd: number of actors in the shot
    """
    frames = canvas.cover_THW.shape[0]
    phase_T11 = np.linspace(0, 1, frames, dtype=np.float32)[:, None, None]
    zoom, facing = canvas.camera.zoom, _facing(actor)
    x_T11 = actor.x + _travel(actor.action, phase_T11, crowd=crowd, zoom=zoom)
    y_T11 = ground + _height(actor, phase_T11, zoom=zoom, style=style)
    brush = Brush(
        canvas=canvas,
        x_T11=x_T11,
        y_T11=y_T11,
        scale=CHARACTER_SCALE,
        facing=facing,
        outline=OUTLINE,
        marks_cover=True,
    )
    # Of two characters who face each other, each waves with the arm away from the other.
    pose = _pose(actor.action, phase_T11, waves_behind=crowd > 1, style=style)
    anatomy = BUILDERS[actor.look.species](shades(COLOURS[actor.look.colour]), pose)
    _paint(brush, anatomy, pose, actor.look, style)
    hand_x, hand_y = _hand(anatomy, pose, side=-1 if pose.waves_behind else 1, style=style)
    return x_T11 + CHARACTER_SCALE * facing * hand_x, y_T11 + CHARACTER_SCALE * hand_y


def shades(colour: tuple[int, int, int]) -> Tones:
    """Return the body colour with a lighter and a darker shade."""
    body = rgb(*colour)
    return Tones(body=body, light=body * 0.45 + np.float32(0.55), dark=body * np.float32(0.76))


def _travel(action: str, phase_T11: Array, *, crowd: int, zoom: float) -> Array:
    """Horizontal offset of a walk in world units, 0 half-way through the shot."""
    if not action.startswith("walks"):
        return np.zeros((1, 1, 1), np.float32)
    # About a third of the frame; less where a second actor or a tight framing leaves no room.
    share = 0.34 if crowd == 1 and zoom < 2 else 0.16
    direction = 1 if action == "walks right" else -1
    return direction * (phase_T11 - np.float32(0.5)) * np.float32(share / zoom)


def _height(actor: Actor, phase_T11: Array, *, zoom: float, style: ActingStyle) -> Array:
    """Height of the feet over the ground in world units."""
    lift: Array
    if actor.action == "jumps":
        lift = np.float32(0.19 / zoom) * np.sin(phase_T11 * np.float32(np.pi))
    elif actor.action.startswith("walks"):
        lift = np.float32(style.bob) * np.abs(np.sin(phase_T11 * _TURN * np.float32(style.walk_cycles)))
    else:
        lift = np.float32(0.004) * (1 + np.sin(phase_T11 * _TURN))
    if actor.look.species in FLOATING:
        lift = lift + np.float32(0.01) * (1 + np.sin(phase_T11 * _TURN))
    return lift


def _facing(actor: Actor) -> int:
    return {"walks left": -1, "walks right": 1}.get(actor.action, actor.facing)


def _pose(action: str, phase_T11: Array, *, waves_behind: bool, style: ActingStyle) -> Pose:
    still = np.zeros((1, 1, 1), np.float32)
    stride_T11 = phase_T11 * _TURN * np.float32(style.walk_cycles) + np.float32(style.phase) * _TURN
    swing = np.float32(style.swing) * np.sin(stride_T11) if action.startswith("walks") else still
    return Pose(
        swing_T11=swing,
        sway_T11=np.sin(phase_T11 * _TURN),
        raise_T11=_raised(action, phase_T11, style),
        waves_behind=waves_behind,
    )


def _raised(action: str, phase_T11: Array, style: ActingStyle) -> Array | None:
    """Angle of the raised arm over the horizontal in radians, None if both arms hang."""
    if action == KITE_ACTION:
        return np.float32(_KITE_ANGLE) + np.float32(0.08) * np.sin(phase_T11 * _TURN)
    if action != "waves":
        return None
    swing = np.float32(style.wave_swing) * np.sin(phase_T11 * _TURN * np.float32(style.wave_cycles))
    return np.float32(style.wave_angle) - swing


def _paint(brush: Brush, anatomy: Anatomy, pose: Pose, look: CharacterLook, style: ActingStyle) -> None:
    rear, front = (_arm(anatomy, pose, side=side, style=style) for side in (-1, 1))
    brush.layer((*anatomy.back, *_legs(anatomy, pose, style), *rear))
    # The shirt has its own outline, so it comes after the torso's layer.
    brush.layer(anatomy.torso)
    wear = rgb(*COLOURS[look.accessory_colour]) if look.accessory_colour else INK
    if look.accessory == "shirt":
        _shirt(brush, anatomy, wear)
    brush.layer(anatomy.head)
    # A waving rear arm is painted once more, so that the head cannot hide it.
    rear_waves = pose.raise_T11 is not None and pose.waves_behind
    brush.layer((*front, *rear) if rear_waves else front)
    if look.accessory == "scarf":
        _scarf(brush, anatomy, pose, wear)
    elif look.accessory == "hat":
        _hat(brush, anatomy, wear, crown=style.crown, lift=style.frog_hat if look.species == "frog" else 0.0)


def _legs(anatomy: Anatomy, pose: Pose, style: ActingStyle) -> tuple[PaintPart, ...]:
    if anatomy.leg_spread is None:
        return ()
    legs = []
    for side in (-1, 1):
        hip = side * anatomy.leg_spread
        step_T11 = side * pose.swing_T11
        foot_y: Scalar = anatomy.leg_radius
        if style.lift:
            foot_y = foot_y + np.float32(style.lift / style.swing) * np.maximum(step_T11, 0)
        legs.append(solid(capsule(hip, 0.2, hip + step_T11, foot_y, anatomy.leg_radius), anatomy.limb))
    return tuple(legs)


def _arm(anatomy: Anatomy, pose: Pose, *, side: int, style: ActingStyle) -> tuple[PaintPart, ...]:
    """The arm on one side: raised with a hand if it waves, else hanging and swinging with the walk."""
    x, y = anatomy.shoulder
    hand_x, hand_y = _hand(anatomy, pose, side=side, style=style)
    arm = solid(capsule(side * x, y, hand_x, hand_y, 0.065), anatomy.limb)
    if style.hand and _is_raised(pose, side):
        return arm, solid(circle(hand_x, hand_y, style.hand), anatomy.limb)
    return (arm,)


def _is_raised(pose: Pose, side: int) -> bool:
    return pose.raise_T11 is not None and pose.waves_behind == (side < 0)


def _hand(anatomy: Anatomy, pose: Pose, *, side: int, style: ActingStyle) -> tuple[Scalar, Scalar]:
    """Position of the hand on one side, local units."""
    x, y = anatomy.shoulder
    if pose.raise_T11 is not None and _is_raised(pose, side):
        reach_T11: Array = np.float32(style.reach) * np.cos(pose.raise_T11)
        return side * (x + reach_T11), y + np.float32(style.reach) * np.sin(pose.raise_T11)
    return side * (x + (0.1 - side * 0.6 * pose.swing_T11)), y - 0.17


def _shirt(brush: Brush, anatomy: Anatomy, colour: Colour) -> None:
    low, high = anatomy.shirt
    middle = (low + high) / 2
    cloth = cut(anatomy.trunk, above=low, below=high)
    stripe = cut(anatomy.trunk, above=middle - 0.025, below=middle + 0.025)
    brush.layer(_worn(solid(cloth, colour), detail(stripe, colour * np.float32(0.7))))


def _scarf(brush: Brush, anatomy: Anatomy, pose: Pose, colour: Colour) -> None:
    x, y, half_width = anatomy.neck
    end = x - 0.6 * half_width
    tail = capsule(end, y - 0.02, end - 0.05 + 0.03 * pose.sway_T11, y - 0.24, 0.065)
    wrap = capsule(x - half_width, y, x + half_width, y, 0.075)
    brush.layer(_worn(solid(tail, colour * np.float32(0.88)), solid(wrap, colour)))


def _hat(brush: Brush, anatomy: Anatomy, colour: Colour, *, crown: float, lift: float) -> None:
    x, y, half_width = anatomy.hat
    y += lift
    top = box(x, y + 0.12, half_width * crown, 0.13, 0.03)
    band = box(x, y + 0.055, half_width * crown, 0.03)
    brim = box(x, y, half_width * 1.4, 0.035, 0.03)
    brush.layer(_worn(solid(top, colour), detail(band, colour * np.float32(0.6)), solid(brim, colour)))


def _worn(*parts: PaintPart) -> tuple[PaintPart, ...]:
    return tuple(replace(part, detail=ACCESSORY_DETAIL) for part in parts)
