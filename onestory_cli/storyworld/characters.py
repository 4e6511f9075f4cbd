"""Drawing an actor: its motion over the shot, its limbs, body and accessory."""

from __future__ import annotations

import numpy as np

from onestory_cli.storyworld.anatomy import Anatomy, Pose, Tones, detail, solid
from onestory_cli.storyworld.canvas import INK, Brush, Canvas, Colour, Part, rgb
from onestory_cli.storyworld.shapes import Array, Scalar, box, capsule, cut
from onestory_cli.storyworld.species import BUILDERS
from onestory_cli.storyworld.vocabulary import COLOURS
from onestory_cli.storyworld.world import Actor, Look

# World units per local unit: a character of height 1 fills about half of a wide shot.
CHARACTER_SCALE = 0.55
OUTLINE = 0.036
FLOATING = ("ghost",)

_WALK_CYCLES = 2.0
_WAVE_CYCLES = 1.75
_ARM_REACH = 0.3


def draw_actor(canvas: Canvas, actor: Actor, *, ground: float, crowd: int) -> None:
    """Paint an actor in every frame; ``crowd`` is the number of actors in the shot."""
    frames = canvas.cover_THW.shape[0]
    phase_T11 = np.linspace(0, 1, frames, dtype=np.float32)[:, None, None]
    zoom = canvas.camera.zoom
    x_T11 = actor.x + _travel(actor.action, phase_T11, crowd=crowd, zoom=zoom)
    y_T11 = ground + _height(actor, phase_T11, zoom=zoom)
    brush = Brush(
        canvas=canvas,
        x_T11=x_T11,
        y_T11=y_T11,
        scale=CHARACTER_SCALE,
        facing=_facing(actor),
        outline=OUTLINE,
        marks_cover=True,
    )
    # Of two characters who face each other, each waves with the arm away from the other.
    pose = _pose(actor.action, phase_T11, waves_behind=crowd > 1)
    tones = shades(COLOURS[actor.look.colour])
    anatomy = BUILDERS[actor.look.species](tones, pose)
    _paint(brush, anatomy, pose, actor.look)


def shades(colour: tuple[int, int, int]) -> Tones:
    """The body colour with a lighter and a darker shade."""
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


def _height(actor: Actor, phase_T11: Array, *, zoom: float) -> Array:
    """Height of the feet over the ground in world units."""
    turn = np.float32(2 * np.pi)
    lift: Array
    if actor.action == "jumps":
        lift = np.float32(0.19 / zoom) * np.sin(phase_T11 * np.float32(np.pi))
    elif actor.action.startswith("walks"):
        lift = np.float32(0.01) * np.abs(np.sin(phase_T11 * turn * np.float32(_WALK_CYCLES)))
    else:
        lift = np.float32(0.004) * (1 + np.sin(phase_T11 * turn))
    if actor.look.species in FLOATING:
        lift = lift + np.float32(0.01) * (1 + np.sin(phase_T11 * turn))
    return lift


def _facing(actor: Actor) -> int:
    return {"walks left": -1, "walks right": 1}.get(actor.action, actor.facing)


def _pose(action: str, phase_T11: Array, *, waves_behind: bool) -> Pose:
    turn = np.float32(2 * np.pi)
    still = np.zeros((1, 1, 1), np.float32)
    walking = action.startswith("walks")
    swing = np.float32(0.1) * np.sin(phase_T11 * turn * np.float32(_WALK_CYCLES)) if walking else still
    waving = np.float32(0.72) - np.float32(0.45) * np.sin(phase_T11 * turn * np.float32(_WAVE_CYCLES))
    return Pose(
        swing_T11=swing,
        sway_T11=np.sin(phase_T11 * turn),
        raise_T11=waving if action == "waves" else None,
        waves_behind=waves_behind,
    )


def _paint(brush: Brush, anatomy: Anatomy, pose: Pose, look: Look) -> None:
    rear, front = _arm(anatomy, pose, side=-1), _arm(anatomy, pose, side=1)
    brush.layer((*anatomy.back, *_legs(anatomy, pose), rear))
    # The shirt has its own outline, so it comes after the torso's layer.
    brush.layer(anatomy.torso)
    wear = rgb(*COLOURS[look.accessory_colour]) if look.accessory_colour else INK
    if look.accessory == "shirt":
        _shirt(brush, anatomy, wear)
    brush.layer(anatomy.head)
    # A waving rear arm is painted once more, so that the head cannot hide it.
    rear_waves = pose.raise_T11 is not None and pose.waves_behind
    brush.layer((front, rear) if rear_waves else (front,))
    if look.accessory == "scarf":
        _scarf(brush, anatomy, pose, wear)
    elif look.accessory == "hat":
        _hat(brush, anatomy, wear)


def _legs(anatomy: Anatomy, pose: Pose) -> tuple[Part, ...]:
    if anatomy.leg_spread is None:
        return ()
    legs = []
    for side in (-1, 1):
        hip = side * anatomy.leg_spread
        foot_T11 = hip + side * pose.swing_T11
        legs.append(solid(capsule(hip, 0.2, foot_T11, anatomy.leg_radius, anatomy.leg_radius), anatomy.limb))
    return tuple(legs)


def _arm(anatomy: Anatomy, pose: Pose, *, side: int) -> Part:
    """The arm on one side: raised if it waves, else hanging and swinging with the walk."""
    x, y = anatomy.shoulder
    waves = pose.waves_behind == (side < 0)
    if pose.raise_T11 is not None and waves:
        reach_T11: Array = np.float32(_ARM_REACH) * np.cos(pose.raise_T11)
        hand_y: Scalar = y + np.float32(_ARM_REACH) * np.sin(pose.raise_T11)
    else:
        reach_T11 = 0.1 - side * 0.6 * pose.swing_T11
        hand_y = y - 0.17
    return solid(capsule(side * x, y, side * (x + reach_T11), hand_y, 0.065), anatomy.limb)


def _shirt(brush: Brush, anatomy: Anatomy, colour: Colour) -> None:
    low, high = anatomy.shirt
    middle = (low + high) / 2
    cloth = cut(anatomy.trunk, above=low, below=high)
    stripe = cut(anatomy.trunk, above=middle - 0.025, below=middle + 0.025)
    brush.layer((solid(cloth, colour), detail(stripe, colour * np.float32(0.7))))


def _scarf(brush: Brush, anatomy: Anatomy, pose: Pose, colour: Colour) -> None:
    x, y, half_width = anatomy.neck
    end = x - 0.6 * half_width
    tail = capsule(end, y - 0.02, end - 0.05 + 0.03 * pose.sway_T11, y - 0.24, 0.065)
    wrap = capsule(x - half_width, y, x + half_width, y, 0.075)
    brush.layer((solid(tail, colour * np.float32(0.88)), solid(wrap, colour)))


def _hat(brush: Brush, anatomy: Anatomy, colour: Colour) -> None:
    x, y, half_width = anatomy.hat
    crown = box(x, y + 0.12, half_width * 0.8, 0.13, 0.03)
    band = box(x, y + 0.055, half_width * 0.8, 0.03)
    brim = box(x, y, half_width * 1.4, 0.035, 0.03)
    brush.layer((solid(crown, colour), detail(band, colour * np.float32(0.6)), solid(brim, colour)))
