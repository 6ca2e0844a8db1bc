import numpy as np
import pytest

from moongate.errors import NumericsError
from moongate.metrics.similarity import (
    copy_score,
    cosine_matrix,
    matched_cosine,
    mean_cosine_to,
    mean_distance_to_others,
    nearest_neighbour_cosine,
)


def directions(*degrees: float) -> np.ndarray:
    radians = np.deg2rad(degrees)
    return np.stack([np.cos(radians), np.sin(radians)], axis=1)


def scattered(n: int, width: int = 16, seed: int = 0) -> np.ndarray:
    return np.random.Generator(np.random.PCG64(seed)).normal(size=(n, width))


def test_cosine_of_plane_vectors_is_the_cosine_of_their_angle() -> None:
    found = cosine_matrix(directions(0, 30), directions(60, 90, 180))
    np.testing.assert_allclose(found, np.cos(np.deg2rad([[60, 90, 180], [30, 60, 150]])), atol=1e-15)


def test_cosine_does_not_depend_on_the_length_of_the_features() -> None:
    a, b = scattered(4), scattered(5, seed=1)
    np.testing.assert_allclose(cosine_matrix(a * 1e6, b * 1e-6), cosine_matrix(a, b), rtol=1e-12)


def test_mean_over_samples_is_the_mean_over_all_generated_and_real_pairs() -> None:
    generated, real = scattered(7), scattered(3, seed=1)
    pairs = [g @ r / np.linalg.norm(g) / np.linalg.norm(r) for g in generated for r in real]
    assert mean_cosine_to(generated, real).mean() == pytest.approx(np.mean(pairs), abs=1e-14)


def test_a_class_set_that_equals_the_subject_has_the_worst_pres() -> None:
    subject = directions(-10, 0, 10)
    rotations = [directions(*(np.array([-10, 0, 10]) + turn)) for turn in (20, 45, 90, 180)]
    collapsed = mean_cosine_to(subject, subject).mean()
    assert all(mean_cosine_to(other, subject).mean() < collapsed - 0.05 for other in rotations)


def test_matched_cosine_reads_the_diagonal_only() -> None:
    images, texts = scattered(6), scattered(6, seed=1)
    np.testing.assert_allclose(
        matched_cosine(images, texts), np.diag(cosine_matrix(images, texts)), atol=1e-15
    )


def test_diversity_leaves_a_picture_out_of_its_own_mean() -> None:
    found = mean_distance_to_others(directions(0, 60, 120))
    np.testing.assert_allclose(found, [1 - (0.5 - 0.5) / 2, 1 - 0.5, 1 - (0.5 - 0.5) / 2], atol=1e-15)


def test_diversity_of_one_picture_drawn_twice_is_zero() -> None:
    np.testing.assert_allclose(mean_distance_to_others(directions(25, 25)), 0.0, atol=1e-15)


def test_nearest_neighbour_cosine_ignores_the_picture_itself() -> None:
    expected = np.cos(np.deg2rad([10, 10, 50])).mean()
    assert nearest_neighbour_cosine(directions(0, 10, 60)) == pytest.approx(expected, abs=1e-14)


def test_copying_a_training_picture_gives_the_highest_copy_score_there_is() -> None:
    training, samples = scattered(5), scattered(200, seed=1)
    nearest_other = np.delete(cosine_matrix(training[2:3], training)[0], 2).max()
    paste = (4.0 + nearest_other) / 5.0 - nearest_neighbour_cosine(training)
    assert copy_score(training[2:3], training)[0] == pytest.approx(paste, abs=1e-12)
    assert copy_score(samples, training).max() < paste


def test_a_further_picture_of_the_same_kind_scores_zero_on_average() -> None:
    pictures = scattered(6 * 2000).reshape(2000, 6, -1)
    found = np.array([copy_score(six[5:], six[:5])[0] for six in pictures])
    assert abs(found.mean()) < 4 * found.std() / 2000**0.5


def test_copy_score_is_positive_where_a_sample_is_nearer_than_the_training_pictures_are() -> None:
    score = copy_score(directions(2, 45, 200), directions(0, 20))
    assert score[0] > 0 > score[1] > score[2]


@pytest.mark.parametrize("bad", [np.zeros((2, 16)), np.full((2, 16), np.nan), np.ones(16), np.ones((0, 16))])
def test_features_without_a_direction_are_refused(bad: np.ndarray) -> None:
    with pytest.raises(NumericsError):
        cosine_matrix(bad, scattered(3))


@pytest.mark.parametrize("measure", [mean_distance_to_others, nearest_neighbour_cosine])
def test_pairs_of_a_single_picture_are_refused(measure) -> None:
    with pytest.raises(NumericsError):
        measure(scattered(1))


def test_features_of_two_extractors_are_not_compared() -> None:
    with pytest.raises(NumericsError, match="same extractor"):
        cosine_matrix(scattered(2, width=8), scattered(2, width=16))
