import hashlib

import pytest
from pydantic import BaseModel, ConfigDict

from moongate.artifacts.recipe import Recipe
from moongate.artifacts.refs import AdapterRef, ImageSetRef


class Knobs(BaseModel):
    model_config = ConfigDict(frozen=True)

    steps: int = 10
    rate: float = 0.5


class ReorderedKnobs(BaseModel):
    model_config = ConfigDict(frozen=True)

    rate: float = 0.5
    steps: int = 10


def make(**changes: object) -> Recipe[ImageSetRef]:
    parts = {
        "stage": "prior",
        "revision": 1,
        "settings": Knobs(),
        "inputs": (("b", "2"), ("a", "1")),
    } | changes
    return Recipe(**parts, ref_type=ImageSetRef)


def test_the_digest_is_sha256_of_the_canonical_json():
    text = '{"inputs":[["a","1"],["b","2"]],"revision":1,"settings":{"rate":0.5,"steps":10},"stage":"prior"}'
    assert make().digest == hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(
    "changes",
    [
        {"stage": "sample"},
        {"revision": 2},
        {"settings": Knobs(steps=11)},
        {"inputs": (("a", "1"), ("b", "3"))},
        {"inputs": (("a", "2"), ("b", "1"))},
        {"inputs": (("a", "1"),)},
    ],
)
def test_everything_that_decides_the_result_changes_the_digest(changes):
    assert make(**changes).digest != make().digest


def test_the_order_of_inputs_and_fields_does_not_matter():
    assert make(inputs=(("a", "1"), ("b", "2"))).digest == make().digest
    assert make(settings=ReorderedKnobs()).digest == make().digest


def test_an_integer_given_for_a_real_setting_is_the_same_setting():
    assert make(settings=Knobs(rate=1)).digest == make(settings=Knobs(rate=1.0)).digest


@pytest.mark.parametrize("inputs", [(("a", "1"), ("a", "2")), (("a", ""),)])
def test_ambiguous_or_empty_inputs_are_refused(inputs):
    with pytest.raises(ValueError, match="recipe of prior"):
        make(inputs=inputs)


@pytest.mark.parametrize("digest", ["", "abc", "A" * 64, "../" + "a" * 61])
def test_a_reference_is_64_hex_digits_and_never_a_path(digest):
    with pytest.raises(ValueError, match="64 lower-case hex digits"):
        AdapterRef(digest)


def test_references_of_different_kinds_are_different():
    assert AdapterRef("a" * 64) != ImageSetRef("a" * 64)
