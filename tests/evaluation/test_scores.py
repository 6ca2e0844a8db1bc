from dataclasses import replace

import numpy as np
import pytest

from moongate.evaluation import scores
from moongate.evaluation.galleries import Gallery
from moongate.evaluation.picture_sets import Item, Truth
from moongate.metrics.rows import ModelRole


def unit(n: int, seed: int, width: int = 8) -> np.ndarray:
    rows = np.random.Generator(np.random.PCG64(seed)).normal(size=(n, width))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def gallery(role: ModelRole, prompts: list[str | None], seed: int = 0, **truth: str) -> Gallery:
    n = len(prompts)
    items = tuple(
        Item(f"s{i}", "a duck", Truth(**truth), prompt, None if prompt is None else i)
        for i, prompt in enumerate(prompts)
    )
    return Gallery(role, items, unit(n, seed), unit(n, seed + 100), unit(n, seed + 200), None)


def test_rows_carry_the_picture_its_prompt_and_seed() -> None:
    drawn = gallery("tuned", ["p0", "p0", "p1"])
    found = scores.prompt_fidelity(drawn, "clip@x")
    assert [(row.item_id, row.prompt_id, row.seed) for row in found.rows] == [
        ("s0", "p0", 0),
        ("s1", "p0", 1),
        ("s2", "p1", 2),
    ]
    expected = (drawn.clip * drawn.texts).sum(axis=1)
    np.testing.assert_allclose([row.value for row in found.rows], expected, atol=1e-6)


def test_metric_names_end_in_the_extractor_that_measured() -> None:
    drawn, training = gallery("tuned", ["p0", "p0"]), gallery("real", [None, None], seed=5)
    fidelity = scores.subject_fidelity(drawn, training, {"identity": "vit@1", "clip": "clip@2"})
    assert [score.metric.name for score in fidelity] == [
        "subject_fidelity.identity.vit@1",
        "subject_fidelity.clip.clip@2",
    ]


def test_diversity_compares_pictures_of_one_prompt_only() -> None:
    drawn = gallery("tuned", ["p0", "p1", "p0", "p1"])
    found = scores.diversity(drawn, "vit@1")
    across = 1 - float(drawn.identity[0] @ drawn.identity[2])
    assert found.rows[0].value == pytest.approx(across, abs=1e-6)
    assert found.rows[2].value == pytest.approx(across, abs=1e-6)


def test_a_prompt_with_one_picture_has_no_diversity() -> None:
    found = scores.diversity(gallery("tuned", ["p0", "p0", "p1"]), "vit@1")
    assert [row.status for row in found.rows] == ["ok", "ok", "too_few"]


def test_pictures_that_copy_the_training_set_score_highest_and_a_single_one_cannot_be_judged() -> None:
    training = replace(gallery("real", [None] * 4), clip=unit(4, 5, width=64))
    copied = replace(gallery("tuned", ["p0"] * 4), clip=training.clip)
    original = replace(gallery("base", ["p0"] * 4), clip=unit(4, 9, width=64))
    lowest_copy = min(row.value for row in scores.copying(copied, training, "vit@1").rows)
    highest_original = max(row.value for row in scores.copying(original, training, "vit@1").rows)
    assert lowest_copy > highest_original
    alone = replace(gallery("real", [None]), clip=unit(1, 5, width=64))
    assert {row.status for row in scores.copying(copied, alone, "vit@1").rows} == {"too_few"}


def test_judged_right_counts_what_was_asked_and_leaves_out_what_was_not() -> None:
    drawn = gallery("tuned", ["p0", "p1", "p2", "p3"])
    asked = [Truth(scene="snow"), Truth(scene="beach"), Truth(), Truth(scene="paris")]
    seen = [Truth(scene="snow"), Truth(scene="snow"), Truth(scene="snow"), Truth(scene="snow")]
    items = tuple(replace(item, truth=truth) for item, truth in zip(drawn.items, asked, strict=True))
    judged = replace(drawn, items=items, judged=tuple(seen))
    found = scores.judged_right(judged, "scene", ("snow", "beach"), "toybox@1")
    assert [(row.item_id, row.value) for row in found.rows] == [("s0", 1.0), ("s1", 0.0)]


def test_class_resemblance_without_class_pictures_has_no_rows() -> None:
    training = gallery("real", [None, None])
    found = scores.class_resemblance(None, "tuned", training, "vit@1")
    assert (found.model, found.rows) == ("tuned", ())
