"""Random specs and appearances: repeatable and with the stated frequencies."""

from __future__ import annotations

from collections import Counter

from moongate.toybox import sample_instance_appearance, sample_instance_spec, sample_spec
from moongate.toybox.canvas import distance
from moongate.toybox.vocabulary import COLOURS, OBJECTS, SCENES


def test_sample_spec_is_repeatable_and_spread():
    specs = [sample_spec(seed) for seed in range(6000)]
    assert specs[:50] == [sample_spec(seed) for seed in range(50)]
    for field, values in (("object", OBJECTS), ("colour", COLOURS), ("scene", SCENES)):
        counts = Counter(getattr(spec, field) for spec in specs)
        assert set(counts) == set(values)
        assert min(counts.values()) > 0.75 * 6000 / len(values)
    assert 0.57 < sum(s.pattern == "plain" for s in specs) / 6000 < 0.63
    assert 0.63 < sum(s.size == "normal" for s in specs) / 6000 < 0.69
    assert 0.67 < sum(s.relation is None for s in specs) / 6000 < 0.73
    assert 0.67 < sum(s.accessory is None for s in specs) / 6000 < 0.73


def test_instance_appearances_have_two_clearly_different_tones():
    for seed in range(1000):
        appearance = sample_instance_appearance(seed)
        assert distance(appearance.palette.body, appearance.palette.second) > 60
    assert sample_instance_spec(3) == sample_instance_spec(3)
    assert sample_instance_spec(3).colour is None
