"""Captions from a small grammar: full at the first mention, referential afterwards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from onestory_cli.storyworld.vocabulary import ACTION_PHRASES, KITE_ACTION, SETTINGS, article
from onestory_cli.storyworld.world import Actor, CharacterLook, PlaceNaming, WorldPlace

_INLINE = 0.65
_BACK_IN = 0.18
_BARE_THE = 0.35
_FRAMING_FIRST = 0.6
_OMIT_PLACE = 0.45
_SYNONYM = 0.25


@dataclass(frozen=True, kw_only=True)
class Known:
    """The looks and places that earlier shots introduced.

    place: place of the previous shot, None at the start
    names: how captions refer to a look that has a twin, so that its species does not identify it
    """

    looks: frozenset[CharacterLook] = frozenset()
    settings: frozenset[str] = frozenset()
    place: WorldPlace | None = None
    kite: bool = False
    names: Mapping[CharacterLook, str] = field(default_factory=dict)

    def after(self, place: WorldPlace, actors: Sequence[Actor], kite: str = "") -> Known:
        """Return what is known after a shot."""
        return replace(
            self,
            looks=self.looks | {actor.look for actor in actors},
            settings=self.settings | {place.setting},
            place=place,
            kite=self.kite or bool(kite),
        )


def twin_names(looks: Sequence[CharacterLook]) -> dict[CharacterLook, str]:
    """Return "red fox" or "fox with the hat" for each look that shares its species with another one."""
    names = {}
    for look in looks:
        twins = [other for other in looks if other.species == look.species and other != look]
        if twins:
            own_colour = all(other.colour != look.colour for other in twins)
            names[look] = f"{look.colour} {look.species}" if own_colour else f"{look.species} with the {look.accessory}"
    return names


@dataclass(frozen=True, kw_only=True)
class Captions:
    """Wordings of a shot; see the fields of the same names in `WorldShot`."""

    caption: str
    full_caption: str
    names_look: tuple[bool, ...]
    names_place: PlaceNaming


def write_captions(
    rng: np.random.Generator,
    *,
    place: WorldPlace,
    actors: Sequence[Actor],
    framing: str,
    known: Known,
    kite: str = "",
    may_omit_place: bool = True,
) -> Captions:
    """Choose a wording of the shot; ``full_caption`` follows one fixed template."""
    names_look = tuple(actor.look not in known.looks for actor in actors)
    names_place = _place_naming(rng, place=place, known=known, may_omit=may_omit_place and bool(actors))
    the_place = _place_words(rng, place, names_place)
    names = [_name(rng, actor, full, known) for actor, full in zip(actors, names_look, strict=True)]
    the_kite = _kite_words(rng, kite, known) if kite else ""
    if kite and not actors:
        body = _empty_kite_body(place, the_place, the_kite)
    else:
        clause = action_clause(names, [actor.action for actor in actors], the_kite=the_kite, rng=rng)
        body = _body(rng, place=place, the_place=the_place, clause=clause, known=known)
    label = f"{framing.capitalize()}."
    caption = f"{label} {body}" if rng.random() < _FRAMING_FIRST else _label_later(rng, body, label)
    return Captions(
        caption=caption,
        full_caption=full_caption(place=place, actors=actors, framing=framing, kite=kite),
        names_look=names_look,
        names_place=names_place,
    )


def full_caption(*, place: WorldPlace, actors: Sequence[Actor], framing: str, kite: str = "") -> str:
    """For example "Wide shot. a red fox walks right on a beach."."""
    label = f"{framing.capitalize()}."
    the_kite = article(f"{kite} kite") if kite else ""
    if not actors:
        body = _empty_kite_body(place, place.words(), the_kite) if kite else f"{place.words()}."
        return f"{label} {body}"
    looks = [actor.look.words() for actor in actors]
    clause = action_clause(looks, [actor.action for actor in actors], the_kite=the_kite)
    return f"{label} {clause} {SETTINGS[place.setting].preposition} {place.words()}."


def _place_naming(rng: np.random.Generator, *, place: WorldPlace, known: Known, may_omit: bool) -> PlaceNaming:
    if place.setting not in known.settings:
        return "full"
    if may_omit and known.place == place and rng.random() < _OMIT_PLACE:
        return "omitted"
    return "again"


def _place_words(rng: np.random.Generator, place: WorldPlace, naming: PlaceNaming) -> str:
    if naming == "omitted":
        return ""
    if naming == "full":
        return place.words()
    return _again(rng, SETTINGS[place.setting].noun)


def _again(rng: np.random.Generator, noun: str) -> str:
    return f"the {noun}" if rng.random() < _BARE_THE else f"the same {noun}"


def _name(rng: np.random.Generator, actor: Actor, full: bool, known: Known) -> str:
    return actor.look.words() if full else _again(rng, known.names.get(actor.look, actor.look.species))


def _kite_words(rng: np.random.Generator, kite: str, known: Known) -> str:
    return _again(rng, "kite") if known.kite else article(f"{kite} kite")


def _empty_kite_body(place: WorldPlace, the_place: str, the_kite: str) -> str:
    return f"{the_kite} {ACTION_PHRASES[KITE_ACTION][0][0]} over {the_place}."


def action_clause(
    names: Sequence[str], actions: Sequence[str], *, the_kite: str = "", rng: np.random.Generator | None = None
) -> str:
    """Return who does what: "a fox and a bear jump", or "a fox jumps and a bear waves"; "" without names.

    Verbs are the usual ones, or sometimes synonyms if there is an `rng`.
    """
    if len(names) > 1 and len({*actions}) == 1:
        return f"{' and '.join(names)} {_act(rng, actions[0], the_kite, plural=True)}"
    pairs = zip(names, actions, strict=True)
    return " and ".join(f"{name} {_act(rng, action, the_kite, plural=False)}" for name, action in pairs)


def _act(rng: np.random.Generator | None, action: str, the_kite: str, *, plural: bool) -> str:
    forms = ACTION_PHRASES[action]
    use_synonym = rng is not None and len(forms) > 1 and rng.random() < _SYNONYM
    verb = forms[1 if use_synonym else 0][int(plural)]
    return f"{verb} {the_kite}" if action == KITE_ACTION else verb


def _body(rng: np.random.Generator, *, place: WorldPlace, the_place: str, clause: str, known: Known) -> str:
    """One or two sentences with the clause and the place, each of which may be empty."""
    if not clause:
        return f"{the_place}."
    if not the_place:
        return f"{clause}."
    words = SETTINGS[place.setting]
    returns = place.setting in known.settings and known.place != place
    if returns and rng.random() < _BACK_IN:
        return f"back {words.preposition} the {words.noun}, {clause}."
    if rng.random() < _INLINE:
        return f"{clause} {words.preposition} {the_place}."
    return f"{clause}. {the_place}."


def _label_later(rng: np.random.Generator, body: str, label: str) -> str:
    """The framing label after the first sentence or at the end."""
    first, _, rest = body.partition(". ")
    if rest and rng.random() < 0.5:
        return f"{first}. {label} {rest}"
    return f"{body} {label}"
