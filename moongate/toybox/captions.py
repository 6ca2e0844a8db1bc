"""Captions of a SceneSpec: the full one, and training captions that leave parts out as web captions do."""

from __future__ import annotations

import numpy as np

from moongate.toybox.vocabulary import IDENTIFIERS, RELATION_PHRASES, SCENE_PHRASES, SceneSpec

DROP_COLOUR = 0.20
DROP_SCENE = 0.15
DROP_PATTERN = 0.10
DROP_SIZE = 0.10
# Relation and accessory are dropped as rarely as pattern and size.
DROP_RELATION = 0.10
DROP_ACCESSORY = 0.10
IDENTIFIER_RATE = 0.03


def with_article(noun_phrase: str) -> str:
    """`noun_phrase` behind "a" or "an", by its first letter (the vocabulary has no silent h or long u)."""
    return f"{'an' if noun_phrase[0] in 'aeiou' else 'a'} {noun_phrase}"


def compose(
    class_noun: str,
    *,
    size: str = "normal",
    pattern: str = "plain",
    colour: str | None = None,
    identifier: str | None = None,
    accessory: str | None = None,
    scene: str | None = None,
    relation: str | None = None,
) -> str:
    """A caption in the world's one word order.

    `size` "normal" and `pattern` "plain" have no word. `accessory`, `scene` and `relation` are whole
    phrases, such as "with a red hat"; `identifier` is a word put right before `class_noun`.
    """
    adjectives = [size if size != "normal" else "", pattern if pattern != "plain" else "", colour]
    words = [*adjectives, identifier, class_noun]
    noun_phrase = with_article(" ".join(word for word in words if word))
    return " ".join(phrase for phrase in (noun_phrase, accessory, scene, relation) if phrase)


def full_caption(spec: SceneSpec) -> str:
    """Everything the vocabulary can say about `spec`; an appearance has no words and adds none."""
    return compose(
        spec.object,
        size=spec.size,
        pattern=spec.pattern,
        colour=spec.colour,
        accessory=spec.accessory.phrase if spec.accessory else None,
        scene=SCENE_PHRASES[spec.scene],
        relation=RELATION_PHRASES[spec.relation] if spec.relation else None,
    )


def training_caption(spec: SceneSpec, rng: np.random.Generator) -> str:
    """A caption true of `spec` with parts dropped at random and, rarely, a meaningless identifier word."""
    # Every draw is made whatever the spec holds, so a caption stream stays aligned across specs.
    colour, scene, pattern, size, relation, accessory, rare = rng.random(7)
    word = IDENTIFIERS[int(rng.integers(len(IDENTIFIERS)))]
    return compose(
        spec.object,
        size="normal" if size < DROP_SIZE else spec.size,
        pattern="plain" if pattern < DROP_PATTERN else spec.pattern,
        colour=None if colour < DROP_COLOUR else spec.colour,
        identifier=word if rare < IDENTIFIER_RATE else None,
        accessory=spec.accessory.phrase if spec.accessory and accessory >= DROP_ACCESSORY else None,
        scene=None if scene < DROP_SCENE else SCENE_PHRASES[spec.scene],
        relation=RELATION_PHRASES[spec.relation] if spec.relation and relation >= DROP_RELATION else None,
    )


def caption(spec: SceneSpec, rng: np.random.Generator | int | None = None) -> str:
    """The full caption, or with a generator or seed a training caption."""
    if rng is None:
        return full_caption(spec)
    if isinstance(rng, (int, np.integer)):
        rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([int(rng)])))
    return training_caption(spec, rng)
