import json

import pytest
import torch

from moongate.errors import NumericsError
from moongate.progress import Silent
from moongate.training.checkpoints import Checkpoints
from moongate.training.fit import FitPlan, fit

PLAN = FitPlan(validate_every=4, checkpoint_every=5, selection="validation_loss")


class DiedError(Exception):
    """Stands for the end of a process."""


def die_at(trainer, step):
    advance = trainer.advance

    def advance_or_die():
        if trainer.step == step:
            raise DiedError
        return advance()

    trainer.advance = advance_or_die
    return trainer


def rows_without_time(outcome):
    return [(r.step, r.loss, dict(r.parts), r.grad_norm, r.learning_rate) for r in outcome.steps]


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("death", [1, 5, 6, 13, 19])
def test_a_resumed_training_is_the_uninterrupted_one_bit_for_bit(
    trainer_of, tmp_path, death, precision, regression
):
    def new_trainer():
        return trainer_of(regression(), precision, ema_decay=0.9)

    uninterrupted = new_trainer()
    whole = fit(uninterrupted, PLAN, Checkpoints(tmp_path / "whole", "id"), Silent())
    state = uninterrupted.state()
    checkpoints = Checkpoints(tmp_path / "died", "id")
    with pytest.raises(DiedError):
        fit(die_at(new_trainer(), death), PLAN, checkpoints, Silent())
    trainer = new_trainer()
    resumed = fit(trainer, PLAN, checkpoints, Silent())
    assert rows_without_time(resumed) == rows_without_time(whole)
    assert resumed.validations == whole.validations
    assert (resumed.chosen_step, resumed.reason) == (whole.chosen_step, whole.reason)
    assert all(torch.equal(resumed.weights[name], weight) for name, weight in whole.weights.items())
    assert all(torch.equal(trainer.state().moments[name], moment) for name, moment in state.moments.items())


def test_a_resumed_training_counts_the_bad_steps_of_the_one_that_died(trainer_of, tmp_path, regression):
    checkpoints = Checkpoints(tmp_path, "id")

    def new_trainer():
        return trainer_of(regression(poisoned=[(1, 0), (13, 0)]), stop_after_bad_steps=2)

    with pytest.raises(DiedError):
        fit(die_at(new_trainer(), 7), PLAN, checkpoints, Silent())
    with pytest.raises(NumericsError, match=r"training step 13(.|\n)*step 1: "):
        fit(new_trainer(), PLAN, checkpoints, Silent())


def test_a_resumed_training_begins_with_the_micro_batch_that_fitted(trainer_of, tmp_path, regression, caplog):
    checkpoints = Checkpoints(tmp_path, "id")
    with pytest.raises(DiedError):
        fit(die_at(trainer_of(regression(room=3)), 7), PLAN, checkpoints, Silent())
    caplog.clear()
    resumed = fit(trainer_of(regression(room=3)), PLAN, checkpoints, Silent())
    assert {row.micro_batch for row in resumed.steps} == {2}
    assert "Out of memory" not in caplog.text


def test_finished_steps_are_not_done_again(trainer_of, tmp_path, regression):
    checkpoints = Checkpoints(tmp_path, "id")
    with pytest.raises(DiedError):
        fit(die_at(trainer_of(regression()), 13), PLAN, checkpoints, Silent())
    assert checkpoints.latest().state.step == 10


def test_the_step_with_the_lowest_held_out_loss_is_chosen(trainer_of, tmp_path, regression):
    # At this rate the weights run past the truth and come back: the last step is not the best one.
    outcome = fit(trainer_of(regression(), learning_rate=0.4), PLAN, Checkpoints(tmp_path, "id"), Silent())
    best = min(outcome.validations, key=lambda row: row.loss)
    assert outcome.chosen_step == best.step
    assert outcome.chosen_step not in (0, 20)
    assert f"after step {best.step}" in outcome.reason


def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(trainer_of, tmp_path, regression):
    checkpoints = Checkpoints(tmp_path, "id")
    fit(trainer_of(regression()), PLAN, checkpoints, Silent())
    newest = tmp_path / "step-000020" / "weights.safetensors"
    damaged = bytearray(newest.read_bytes())
    damaged[-1] ^= 1
    newest.write_bytes(damaged)
    assert checkpoints.latest().state.step == 15


def test_a_checkpoint_of_another_training_is_not_resumed(trainer_of, tmp_path, regression):
    fit(trainer_of(regression()), PLAN, Checkpoints(tmp_path, "one"), Silent())
    assert Checkpoints(tmp_path, "another").latest() is None


def test_a_half_written_checkpoint_does_not_exist(trainer_of, tmp_path, regression):
    fit(trainer_of(regression()), PLAN, Checkpoints(tmp_path, "id"), Silent())
    record = json.loads((tmp_path / "step-000020" / "state.json").read_text())
    assert record["step"] == 20
    (tmp_path / "step-000020" / "state.json").unlink()
    assert Checkpoints(tmp_path, "id").latest().state.step == 15
