"""Captions: word order, articles, and that training captions only ever leave things out."""

from __future__ import annotations

import numpy as np

from moongate.toybox import Accessory, SceneSpec, caption, full_caption, sample_spec, training_caption
from moongate.toybox.vocabulary import IDENTIFIERS


def generator(seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


def test_full_caption_says_everything_in_order():
    spec = SceneSpec("duck", "red", "snow", "striped", "giant", "tree", Accessory("hat", "blue"))
    assert full_caption(spec) == "a giant striped red duck with a blue hat in the snow next to a tree"


def test_articles():
    assert full_caption(SceneSpec("boat", "orange", "beach")) == "an orange boat on a beach"
    bare = {training_caption(SceneSpec("umbrella", "red", "city"), generator(s)) for s in range(300)}
    assert "an umbrella" in bare
    assert not any(c.startswith("a umbrella") for c in bare)


def test_training_captions_never_contradict_the_spec():
    for seed in range(2000):
        spec = sample_spec(seed)
        words = training_caption(spec, generator(seed)).split()
        known = set(full_caption(spec).split()) | set(IDENTIFIERS) | {"a", "an"}
        assert set(words) <= known
        assert spec.object in words


def test_drop_and_identifier_rates():
    spec = SceneSpec("duck", "red", "snow")
    texts = [training_caption(spec, generator(s)) for s in range(4000)]
    assert 0.17 < np.mean(["red" not in t.split() for t in texts]) < 0.23
    assert 0.12 < np.mean(["snow" not in t for t in texts]) < 0.18
    rare = [t for t in texts if any(word in t.split() for word in IDENTIFIERS)]
    assert 0.02 < len(rare) / len(texts) < 0.04
    assert all(any(f"{word} duck" in t for word in IDENTIFIERS) for t in rare)
    assert {"a duck", "a duck in the snow"} <= set(texts)


def test_caption_takes_a_seed_or_nothing():
    spec = sample_spec(1)
    assert caption(spec) == full_caption(spec)
    assert caption(spec, 7) == caption(spec, 7)
