from pathlib import Path

import pytest

from moongate.errors import InputError
from moongate.evaluation.inversions import inversion_scores
from moongate.evaluation.scores import Scores
from tests.evaluation_material import write_inversions


def named(found: list[Scores]) -> dict[str, Scores]:
    return {score.metric.name: score for score in found}


def test_each_method_is_measured_beside_the_floor(tmp_path: Path) -> None:
    write_inversions(tmp_path, "tuned", {"a": (20.0, 24.5, 25.0), "b": (22.0, 25.9, 26.0)})
    found = named(inversion_scores(tmp_path, "tuned"))
    assert [row.value for row in found["inversion_psnr.plain"].rows] == [20.0, 22.0]
    assert [row.value for row in found["inversion_psnr.vae_floor"].rows] == [25.0, 26.0]
    assert [row.value for row in found["inversion_gap_db.plain"].rows] == [5.0, 4.0]
    assert [row.value for row in found["inversion_gap_db.fixed_point"].rows] == pytest.approx([0.5, 0.1])
    assert found["inversion_gap_db.plain"].metric.direction == "lower"


def test_an_exact_reconstruction_has_infinite_psnr_and_ssim_one(tmp_path: Path) -> None:
    write_inversions(tmp_path, "base", {"a": (None, None, None)})
    found = named(inversion_scores(tmp_path, "base"))
    assert found["inversion_psnr.plain"].rows[0].status == "inf"
    assert found["inversion_ssim.plain"].rows[0].value == 1.0
    assert found["inversion_gap_db.plain"].rows[0].status == "missing"


def test_inversions_of_the_other_model_are_refused(tmp_path: Path) -> None:
    write_inversions(tmp_path, "base", {"a": (20.0, 24.0, 25.0)})
    with pytest.raises(InputError, match="tuned"):
        inversion_scores(tmp_path, "tuned")


def test_without_inversions_every_metric_is_there_without_rows() -> None:
    found = inversion_scores(None, "tuned")
    assert len(found) == 8
    assert all(score.rows == () for score in found)
