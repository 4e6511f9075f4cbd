"""One function per species that returns its `Anatomy`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from onestory_cli.storyworld.anatomy import (
    BEAK,
    CREAM,
    WHITE,
    Anatomy,
    Pose,
    Tones,
    cheeks,
    detail,
    eye_part,
    eyes,
    mouth_part,
    smile,
    solid,
)
from onestory_cli.storyworld.canvas import INK, rgb
from onestory_cli.storyworld.shapes import Array, Shape, box, capsule, circle, cut, ellipse, polygon, star, union

CYAN = rgb(90, 240, 250)
VISOR = rgb(28, 36, 52)


def fox(tones: Tones, pose: Pose) -> Anatomy:
    """Pointed ears, a white muzzle and a bushy tail with a white tip."""
    tail_y = 0.33 + 0.02 * pose.sway_T11
    trunk = ellipse(0, 0.3, 0.21, 0.23)
    ears = [polygon((x - 0.1, 0.74), (x + 0.1, 0.74), (x * 1.25, 1.04)) for x in (-0.15, 0.15)]
    return Anatomy(
        back=(
            solid(ellipse(-0.3, tail_y - 0.04, 0.19, 0.115), tones.body),
            solid(circle(-0.42, tail_y + 0.0, 0.08), WHITE),
        ),
        torso=(solid(trunk, tones.body), detail(ellipse(0.02, 0.3, 0.1, 0.15), WHITE)),
        head=(
            *(solid(ear, tones.body) for ear in ears),
            solid(ellipse(0, 0.67, 0.25, 0.215), tones.body),
            solid(ellipse(0.18, 0.6, 0.17, 0.095), WHITE),
            mouth_part(circle(0.33, 0.63, 0.045), INK),
            *eyes(0.05, 0.74, 0.105),
        ),
        trunk=trunk,
        shirt=(0.1, 0.45),
        hat=(0.0, 0.86, 0.2),
        neck=(0, 0.46, 0.18),
        shoulder=(0.17, 0.41),
        limb=tones.dark,
    )


def robot(tones: Tones, pose: Pose) -> Anatomy:
    """Square, with a dark visor and an antenna."""
    trunk = box(0, 0.31, 0.23, 0.2, 0.04)
    return Anatomy(
        torso=(solid(trunk, tones.body), detail(box(0, 0.31, 0.12, 0.1, 0.02), tones.light)),
        head=(
            solid(capsule(0, 0.86, 0, 1.0, 0.02), tones.dark),
            solid(circle(0, 1.03, 0.055), rgb(255, 90, 80)),
            solid(box(0, 0.7, 0.27, 0.18, 0.05), tones.body),
            detail(box(0.03, 0.7, 0.2, 0.105, 0.04), VISOR),
            eye_part(circle(-0.05, 0.71, 0.055), CYAN),
            eye_part(circle(0.13, 0.71, 0.055), CYAN),
        ),
        trunk=trunk,
        shirt=(0.14, 0.48),
        hat=(0, 0.88, 0.2),
        neck=(0, 0.5, 0.19),
        shoulder=(0.2, 0.42),
        limb=tones.dark,
    )


def rabbit(tones: Tones, pose: Pose) -> Anatomy:
    """Long ears and a round white tail."""
    trunk = ellipse(0, 0.29, 0.21, 0.23)
    ears = [(x, ellipse(x, 0.98, 0.075, 0.24)) for x in (-0.13, 0.13)]
    return Anatomy(
        back=(solid(circle(-0.24, 0.2, 0.09), WHITE),),
        torso=(solid(trunk, tones.body), detail(ellipse(0.02, 0.27, 0.11, 0.14), tones.light)),
        head=(
            *(solid(ear, tones.body) for _, ear in ears),
            *(detail(ellipse(x, 0.99, 0.035, 0.17), rgb(255, 190, 205)) for x, _ in ears),
            solid(ellipse(0, 0.64, 0.24, 0.21), tones.body),
            detail(ellipse(0.1, 0.55, 0.11, 0.075), WHITE),
            mouth_part(ellipse(0.12, 0.6, 0.035, 0.025), INK),
            *eyes(0.05, 0.7, 0.1),
        ),
        trunk=trunk,
        shirt=(0.1, 0.43),
        hat=(0, 0.81, 0.19),
        neck=(0, 0.44, 0.18),
        shoulder=(0.17, 0.4),
        limb=tones.dark,
    )


def _wavy_sheet(pose: Pose) -> Shape:
    """A dome whose lower hem undulates."""
    dome = union(circle(0, 0.66, 0.3), box(0, 0.39, 0.3, 0.29))

    def distance(u: Array, v: Array) -> Array:
        hem = 0.14 + 0.04 * np.sin(u * 20 + 2.0 * pose.sway_T11)
        return np.maximum(dome.distance(u, v), (hem - v) * 0.8)

    return Shape(distance=distance, bounds=dome.bounds)


def ghost(tones: Tones, pose: Pose) -> Anatomy:
    """A floating sheet with an astonished mouth."""
    trunk = _wavy_sheet(pose)
    return Anatomy(
        torso=(solid(trunk, tones.body),),
        head=(*eyes(0.06, 0.73, 0.115, 0.075), mouth_part(ellipse(0.06, 0.57, 0.055, 0.07), INK)),
        trunk=trunk,
        shirt=(0.16, 0.42),
        hat=(0, 0.9, 0.21),
        neck=(0, 0.43, 0.27),
        shoulder=(0.27, 0.45),
        limb=tones.dark,
        leg_spread=None,
    )


def bird(tones: Tones, pose: Pose) -> Anatomy:
    """Egg-shaped, with a beak and a pointed tail."""
    trunk = ellipse(-0.02, 0.39, 0.27, 0.27)
    tail = polygon((-0.2, 0.2), (-0.14, 0.42), (-0.5, 0.44), (-0.5, 0.34))
    return Anatomy(
        back=(solid(tail, tones.dark),),
        torso=(solid(trunk, tones.body), detail(ellipse(0.07, 0.34, 0.14, 0.17), tones.light)),
        head=(
            solid(polygon((0.2, 0.62), (0.47, 0.69), (0.2, 0.8)), BEAK),
            solid(circle(0.06, 0.75, 0.215), tones.body),
            *eyes(0.12, 0.79, 0.09),
        ),
        trunk=trunk,
        shirt=(0.16, 0.5),
        hat=(0.04, 0.92, 0.18),
        neck=(0.03, 0.57, 0.19),
        shoulder=(0.2, 0.47),
        limb=tones.dark,
        leg_radius=0.05,
    )


def mushroom(tones: Tones, pose: Pose) -> Anatomy:
    """A cream stalk under a big spotted cap."""
    trunk = box(0, 0.32, 0.19, 0.25, 0.07)
    cap = cut(ellipse(0, 0.6, 0.42, 0.37), above=0.56)
    spots = ((-0.24, 0.7, 0.06), (0.0, 0.83, 0.075), (0.24, 0.7, 0.06))
    return Anatomy(
        torso=(solid(trunk, CREAM),),
        head=(
            solid(cap, tones.body),
            *(detail(circle(x, y, radius), tones.light) for x, y, radius in spots),
            *eyes(0.04, 0.47, 0.085, 0.06),
        ),
        trunk=trunk,
        shirt=(0.07, 0.31),
        hat=(0, 0.93, 0.19),
        neck=(0, 0.33, 0.17),
        shoulder=(0.16, 0.29),
        limb=CREAM * 0.88,
        leg_spread=0.09,
    )


def bear(tones: Tones, pose: Pose) -> Anatomy:
    """Broad, with round ears, a pale belly and a pale muzzle."""
    trunk = ellipse(0, 0.31, 0.29, 0.25)
    ears = [(x, circle(x, 0.88, 0.1)) for x in (-0.2, 0.2)]
    return Anatomy(
        torso=(solid(trunk, tones.body), detail(ellipse(0.02, 0.28, 0.16, 0.16), tones.light)),
        head=(
            *(solid(ear, tones.body) for _, ear in ears),
            *(detail(circle(x, 0.89, 0.05), tones.light) for x, _ in ears),
            solid(ellipse(0, 0.7, 0.27, 0.225), tones.body),
            detail(ellipse(0.09, 0.61, 0.13, 0.09), tones.light),
            mouth_part(ellipse(0.11, 0.65, 0.055, 0.035), INK),
            *eyes(0.05, 0.76, 0.11, 0.06),
        ),
        trunk=trunk,
        shirt=(0.11, 0.47),
        hat=(0, 0.89, 0.2),
        neck=(0, 0.49, 0.21),
        shoulder=(0.25, 0.42),
        limb=tones.dark,
        leg_spread=0.15,
        leg_radius=0.085,
    )


def octopus(tones: Tones, pose: Pose) -> Anatomy:
    """A dome on four slowly curling tentacles."""
    trunk = cut(ellipse(0, 0.62, 0.31, 0.35), above=0.28)
    tentacles = []
    for index, x in enumerate((-0.3, -0.11, 0.11, 0.3)):
        tip = x * 1.15 + 0.04 * pose.sway_T11 * (-1) ** index + 0.6 * pose.swing_T11
        colour = tones.dark if index in (1, 2) else tones.body
        tentacles.append(solid(capsule(x * 0.7, 0.36, tip, 0.09, 0.085), colour))
    return Anatomy(
        back=tuple(tentacles),
        torso=(solid(trunk, tones.body),),
        head=(*eyes(0.06, 0.66, 0.12, 0.08), smile(0.07, 0.52, 0.07), *cheeks(0.06, 0.55, 0.19, tones.light)),
        trunk=trunk,
        shirt=(0.28, 0.46),
        hat=(0, 0.9, 0.21),
        neck=(0, 0.43, 0.26),
        shoulder=(0.27, 0.48),
        limb=tones.dark,
        leg_spread=None,
    )


def frog(tones: Tones, pose: Pose) -> Anatomy:
    """A wide mouth and eyes on top of the head."""
    trunk = ellipse(0, 0.28, 0.26, 0.22)
    bulges = [circle(x, 0.86, 0.125) for x in (-0.18, 0.18)]
    return Anatomy(
        torso=(solid(trunk, tones.body), detail(ellipse(0.02, 0.26, 0.16, 0.15), tones.light)),
        head=(
            *(solid(bulge, tones.body) for bulge in bulges),
            solid(ellipse(0, 0.65, 0.34, 0.215), tones.body),
            mouth_part(capsule(-0.14, 0.585, 0.22, 0.585, 0.026), INK),
            *cheeks(0.03, 0.64, 0.24, tones.light),
            *eyes(0.02, 0.865, 0.18, 0.085),
        ),
        trunk=trunk,
        shirt=(0.09, 0.43),
        hat=(0, 0.8, 0.15),
        neck=(0, 0.44, 0.2),
        shoulder=(0.22, 0.38),
        limb=tones.dark,
        leg_spread=0.16,
        leg_radius=0.08,
    )


def star_character(tones: Tones, pose: Pose) -> Anatomy:
    """A plump five-pointed star with a face."""
    trunk = star(0, 0.56, 0.46, 0.58, 0.05)
    return Anatomy(
        torso=(solid(trunk, tones.body),),
        head=(*eyes(0.04, 0.66, 0.1, 0.07), smile(0.05, 0.54, 0.06), *cheeks(0.04, 0.56, 0.15, tones.light)),
        trunk=trunk,
        shirt=(0.18, 0.43),
        hat=(0, 0.86, 0.16),
        neck=(0, 0.43, 0.23),
        shoulder=(0.26, 0.44),
        limb=tones.dark,
        leg_spread=0.13,
    )


BUILDERS: dict[str, Callable[[Tones, Pose], Anatomy]] = {
    "fox": fox,
    "robot": robot,
    "rabbit": rabbit,
    "ghost": ghost,
    "bird": bird,
    "mushroom": mushroom,
    "bear": bear,
    "octopus": octopus,
    "frog": frog,
    "star": star_character,
}
