"""Six made-up subjects, of which every answer is known."""

import numpy as np
import pytest
import scipy.stats

from benchmarks.comparison import Observation, observations, over_all, per_subject
from benchmarks.conclusions import DERIVED, derived, ratio_interval
from benchmarks.figures import Figure
from moongate.evaluation.summaries import Resampling
from moongate.metrics.rows import ModelRole, SummaryRow

HOW = Resampling(draws=500, confidence=0.95, seed=0)
FIDELITY = "subject_fidelity.identity.tiny"
PROMPT = "prompt_fidelity.clip_class_noun.tiny"
PRES = "class_resemblance.identity.tiny"
DIV = "diversity.identity_cosine.tiny"
SUBJECTS = ("one", "two", "three", "four")
# metric: base, without prior, with prior, real, for the first subject; every next one has 0.01 more.
VALUES = {
    FIDELITY: (0.2, 0.7, 0.6, 0.7),
    PROMPT: (0.4, 0.3, 0.38, 0.4),
    PRES: (0.2, 0.6, 0.3, None),
    DIV: (0.5, 0.2, 0.4, None),
}
COLUMNS = ("base", "without_prior", "with_prior", "real")


def table() -> list[Observation]:
    return [
        Observation(subject, seed, column, metric, value + 0.01 * place, "ok")
        for metric, values in VALUES.items()
        for place, subject in enumerate(SUBJECTS)
        for seed in (0, 1)
        for column, value in zip(COLUMNS, values, strict=True)
        if value is not None
    ]


def find(figures: tuple[Figure, ...], metric: str, column: str) -> Figure:
    (found,) = [figure for figure in figures if figure.metric == metric and figure.column == column]
    return found


def row(metric: str, model: ModelRole, value: float) -> SummaryRow:
    return SummaryRow(metric, model, value, None, None, 4, "ok", "higher", "prompt", 2, "none")


def test_base_and_real_count_once_although_both_variants_measure_them() -> None:
    summary = [row(FIDELITY, "real", 0.9), row(FIDELITY, "base", 0.2), row(FIDELITY, "tuned", 0.8)]
    both = [
        *observations("duck", 0, "without_prior", summary),
        *observations("duck", 0, "with_prior", summary),
    ]
    assert sorted(one.column for one in both) == ["base", "real", "with_prior", "without_prior"]


def test_the_table_is_the_mean_over_subjects_and_seeds_with_an_interval_over_subjects() -> None:
    figure = find(over_all(table(), HOW), FIDELITY, "with_prior")
    assert figure.value == pytest.approx(0.615)
    assert (figure.n, figure.num_units) == (8, 4)
    # Four subjects are too few for percentiles.
    half = scipy.stats.t.ppf(0.5 + HOW.confidence / 2, 3) * np.std([0.60, 0.61, 0.62, 0.63], ddof=1) / 2
    assert (figure.low, figure.high) == (pytest.approx(0.615 - half), pytest.approx(0.615 + half))


def test_each_subject_has_its_own_rows() -> None:
    own = [one for one in per_subject(table()) if one.metric == PRES and one.column == "without_prior"]
    assert [(one.group, round(one.value or 0, 6), one.n) for one in own] == [
        ("one", 0.60, 2), ("two", 0.61, 2), ("three", 0.62, 2), ("four", 0.63, 2)
    ]  # fmt: skip


def test_a_metric_that_one_run_could_not_measure_has_no_mean() -> None:
    found = [*table(), Observation("five", 0, "base", PRES, None, "too_few")]
    figure = find(over_all(found, HOW), PRES, "base")
    assert (figure.value, figure.low, figure.status) == (None, None, "too_few")


def test_the_share_of_the_way_to_real_pictures_is_that_of_the_means() -> None:
    figures = derived(table(), HOW)
    name = "distance_closed.subject_fidelity.identity"
    assert find(figures, name, "with_prior").value == pytest.approx(0.8)
    assert find(figures, name, "without_prior").value == pytest.approx(1.0)
    assert find(figures, name, "with_prior").is_met is True
    assert all(figure.group == DERIVED for figure in figures)


def test_the_share_of_prompt_fidelity_that_is_kept() -> None:
    figures = derived(table(), HOW)
    assert find(figures, "prompt_kept", "with_prior").value == pytest.approx(0.395 / 0.415)
    assert find(figures, "prompt_kept", "without_prior").value == pytest.approx(0.315 / 0.415)
    assert find(figures, "prompt_kept", "without_prior").target is None


def test_what_the_prior_protects_is_positive_where_it_helps_in_either_direction() -> None:
    figures = derived(table(), HOW)
    pres = find(figures, "protected.class_resemblance", "difference")
    div = find(figures, "protected.diversity", "difference")
    assert (pres.value, div.value) == (pytest.approx(0.3), pytest.approx(0.2))
    assert (pres.is_met, div.is_met) == (True, True)


def test_a_prior_that_protects_on_average_only_does_not_meet_its_target() -> None:
    signs = {"one": 0.5, "two": -0.3, "three": 0.1, "four": -0.2}
    found = [
        Observation(subject, 0, column, PRES, 0.5 + shift * (column == "without_prior"), "ok")
        for subject, shift in signs.items()
        for column in ("without_prior", "with_prior")
    ]
    difference = find(derived(found, HOW), "protected.class_resemblance", "difference")
    assert difference.value == pytest.approx(0.025)
    assert difference.is_met is False


def test_without_real_pictures_the_way_to_them_is_not_measured() -> None:
    found = [one for one in table() if one.column != "real"]
    figure = find(derived(found, HOW), "distance_closed.subject_fidelity.identity", "with_prior")
    assert (figure.value, figure.status) == (None, "missing")


def test_a_base_model_as_good_as_real_pictures_leaves_no_way() -> None:
    found = [
        Observation(subject, 0, column, FIDELITY, 0.5, "ok") for subject in SUBJECTS for column in COLUMNS
    ]
    figure = find(derived(found, HOW), "distance_closed.subject_fidelity.identity", "with_prior")
    assert (figure.value, figure.status) == (None, "nothing to divide by")


def test_a_ratio_of_proportional_parts_has_no_spread() -> None:
    bottom = np.array([1.0, 2.0, 3.0])
    interval = ratio_interval(0.7 * bottom, bottom, ["a", "b", "c"], HOW, "ratio")
    assert interval is not None
    assert (interval.low, interval.high) == (pytest.approx(0.7), pytest.approx(0.7))
    assert ratio_interval(bottom, bottom, ["a", "a", "a"], HOW, "ratio") is None
    assert ratio_interval(bottom, np.array([1.0, -2.0, 3.0]), ["a", "b", "c"], HOW, "ratio") is None
