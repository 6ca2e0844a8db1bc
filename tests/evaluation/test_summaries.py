from dataclasses import replace

import numpy as np
import pytest

from moongate.bad_items import BadItem
from moongate.evaluation.galleries import Gallery
from moongate.evaluation.picture_sets import Item, LostItem, Truth
from moongate.evaluation.scores import Metric, Scores
from moongate.evaluation.summaries import Resampling, class_diversity, class_kid, summarise
from moongate.metrics.rows import MetricRow, ModelRole, Status

RESAMPLING = Resampling(draws=500, confidence=0.95, seed=3)


def scores(values: list[tuple[str, float | None, Status]], unit: str = "prompt") -> Scores:
    rows = tuple(
        MetricRow("m", "tuned", f"s{i}", value, status, prompt, i)
        for i, (prompt, value, status) in enumerate(values)
    )
    return Scores(Metric("m", "higher", unit), "tuned", rows)


def class_gallery(role: ModelRole, n: int, seed: int, *, shift: float = 0.0, first_seed: int = 0) -> Gallery:
    rows = np.random.Generator(np.random.PCG64(seed)).normal(size=(n, 16))
    rows[:, 0] += shift
    features = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    items = tuple(Item(f"c{i}", "a duck", Truth(), "class", first_seed + i) for i in range(n))
    return Gallery(role, items, features, features, features, None)


def without(gallery: Gallery, seeds: set[int]) -> Gallery:
    """The gallery with some of its pictures lost."""
    kept = [row for row, item in enumerate(gallery.items) if item.seed not in seeds]
    bad = BadItem("c", "lost", "it was not drawn")
    lost = tuple(LostItem(item, bad) for item in gallery.items if item.seed in seeds)
    items = tuple(gallery.items[row] for row in kept)
    features = gallery.identity[kept]
    return replace(gallery, items=items, lost=lost, identity=features, clip=features, texts=features)


def test_value_is_the_mean_over_pictures_and_the_interval_rests_on_prompts() -> None:
    prompts = [f"p{i // 4}" for i in range(40)]
    values = [0.1 * (i // 4) for i in range(40)]
    found = summarise(scores([(p, v, "ok") for p, v in zip(prompts, values, strict=True)]), RESAMPLING)
    assert found.value == pytest.approx(np.mean(values))
    assert (found.n, found.num_units, found.interval) == (40, 10, "cluster_bootstrap")
    assert found.low < found.value < found.high
    assert found.high - found.low > 2 * 1.96 * np.std(values) / np.sqrt(40)


def test_pictures_without_a_value_stay_out_of_the_mean() -> None:
    found = summarise(scores([("a", 0.2, "ok"), ("b", None, "too_few"), ("c", 0.4, "ok")]), RESAMPLING)
    assert (found.value, found.n, found.status) == (pytest.approx(0.3), 2, "ok")


def test_one_infinite_picture_makes_the_mean_infinite() -> None:
    found = summarise(scores([("a", 20.0, "ok"), ("b", None, "inf")], unit="image"), RESAMPLING)
    assert (found.value, found.low, found.status) == (None, None, "inf")


@pytest.mark.parametrize(("rows", "status"), [([], "missing"), ([("a", None, "too_few")], "too_few")])
def test_nothing_to_average_says_why(rows: list, status: str) -> None:
    found = summarise(scores(rows), RESAMPLING)
    assert (found.value, found.n, found.status, found.interval) == (None, 0, status, "none")


def test_one_prompt_has_a_value_and_no_interval() -> None:
    found = summarise(scores([("a", 0.2, "ok"), ("a", 0.4, "ok")]), RESAMPLING)
    assert (found.value, found.low, found.interval) == (pytest.approx(0.3), None, "none")


def test_class_kid_of_an_unchanged_class_has_an_interval_around_zero() -> None:
    base, tuned = class_gallery("base", 32, 1), class_gallery("tuned", 32, 2, first_seed=100)
    floor, found = class_kid(base, tuned, "clip@1", RESAMPLING)
    assert (floor.model, floor.n, found.model, found.n) == ("base", 32, "tuned", 32)
    assert floor.low < 0 < floor.high
    assert found.low < 0 < found.high


def test_class_kid_counts_each_lost_picture_of_the_whole_gallery_once() -> None:
    base, tuned = class_gallery("base", 32, 1), class_gallery("tuned", 32, 2)
    base, tuned = without(base, {3, 4}), without(tuned, {4, 5, 6})
    floor, found = class_kid(base, tuned, "clip@1", RESAMPLING)
    assert (floor.n, floor.lost) == (30, 2)
    assert floor.lost_share == pytest.approx(2 / 32)
    assert (found.n, found.lost) == (28, 4)


def test_class_kid_of_galleries_of_unequal_size_has_lost_nothing() -> None:
    _, found = class_kid(class_gallery("base", 32, 1), class_gallery("tuned", 24, 2), "clip@1", RESAMPLING)
    assert (found.n, found.lost) == (24, 0)


def test_class_kid_of_a_drifted_class_lies_above_its_floor() -> None:
    base, tuned = class_gallery("base", 32, 1), class_gallery("tuned", 32, 2, shift=4.0)
    floor, found = class_kid(base, tuned, "clip@1", RESAMPLING)
    assert found.low > floor.high


def test_class_kid_knows_pictures_that_began_at_the_same_noise() -> None:
    base, same = class_gallery("base", 32, 1), class_gallery("tuned", 32, 1)
    _, found = class_kid(base, same, "clip@1", RESAMPLING)
    assert found.value == pytest.approx(0.0, abs=1e-7)


def test_class_kid_of_too_few_pictures_is_refused_with_a_status() -> None:
    floor, found = class_kid(class_gallery("base", 8, 1), None, "clip@1", RESAMPLING)
    assert (floor.status, found.status) == ("too_few", "missing")


def test_class_diversity_is_the_mean_distance_over_pairs() -> None:
    gallery = class_gallery("tuned", 12, 4)
    rows = gallery.identity.astype(np.float64)
    expected = np.mean([1 - rows[i] @ rows[j] for i in range(12) for j in range(i)])
    found = class_diversity(gallery, "tuned", "vit@1", RESAMPLING)
    assert found.value == pytest.approx(expected, abs=1e-6)
    assert (found.interval, found.num_units) == ("jackknife", 12)
    assert found.low < expected < found.high


def test_a_collapsed_class_has_less_diversity() -> None:
    varied, collapsed = class_gallery("base", 24, 4), class_gallery("tuned", 24, 4, shift=6.0)
    before = class_diversity(varied, "base", "vit@1", RESAMPLING)
    after = class_diversity(collapsed, "tuned", "vit@1", RESAMPLING)
    assert after.high < before.low
