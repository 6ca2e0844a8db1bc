import math

import pytest
import torch

from moongate.errors import CapacityError, ConfigError, NumericsError
from moongate.training.trainer import OptimizerSettings


def weights_after(trainer, steps):
    for _ in range(steps):
        trainer.advance()
    return trainer.weights()["line.weight"]


def test_training_recovers_what_the_data_was_made_from(trainer_of, regression, truth):
    weights = weights_after(trainer_of(regression(batch_size=32), steps=300), 300)
    assert torch.allclose(weights.squeeze(0), truth, atol=0.05)


def test_one_step_is_adamw_of_the_clipped_gradient(trainer_of, regression):
    objective = regression()
    objective(0, range(8)).total.backward()
    gradient = objective.line.weight.grad.double()
    gradient *= min(1.0, 0.01 / float(gradient.norm()))
    reference = torch.nn.Parameter(torch.zeros(1, 3, dtype=torch.float64))
    reference.grad = gradient
    torch.optim.AdamW([reference], lr=0.05, weight_decay=0.0).step()
    weights = weights_after(trainer_of(regression(), max_grad_norm=0.01), 1)
    assert torch.allclose(weights.double(), reference.detach(), atol=1e-6)


def test_accumulated_micro_batches_give_the_step_of_the_whole_batch(trainer_of, regression):
    whole = weights_after(trainer_of(regression(batch_size=8)), 5)
    parts = weights_after(trainer_of(regression(batch_size=8), gradient_accumulation=4), 5)
    assert torch.allclose(whole, parts, atol=1e-6)


def test_a_batch_that_cannot_be_split_equally_is_refused(trainer_of, regression):
    with pytest.raises(ConfigError, match="multiple of 3"):
        trainer_of(regression(batch_size=8), gradient_accumulation=3)


def test_a_loss_that_is_not_finite_stops_the_training_before_a_weight_moves(trainer_of, regression):
    trainer = trainer_of(regression(poisoned=[(2, 5), (2, 6)]))
    before = weights_after(trainer, 2)
    with pytest.raises(NumericsError, match="training step 2") as stopped:
        trainer.advance()
    assert "slot 5; slot 6" in stopped.value.why
    assert "slot 4" not in stopped.value.why
    assert torch.equal(trainer.weights()["line.weight"], before)


def test_a_gradient_that_is_not_finite_is_like_such_a_loss_and_all_of_the_batch_is_named(
    trainer_of, regression
):
    objective = regression(batch_size=2)
    objective.line.weight.register_hook(lambda gradient: gradient * float("nan"))
    with pytest.raises(NumericsError, match="slot 0; slot 1"):
        trainer_of(objective).advance()
    assert torch.equal(objective.line.weight, torch.zeros(1, 3))


def test_tolerated_bad_steps_are_rows_of_their_own_and_move_neither_weights_nor_average(
    trainer_of, regression
):
    trainer = trainer_of(regression(poisoned=[(2, 5)]), stop_after_bad_steps=2, ema_decay=0.9)
    weights_after(trainer, 2)
    before = {name: tensor.clone() for name, tensor in trainer.state().weights.items()}, trainer.weights()
    row = trainer.advance()
    assert (row.step, row.loss, row.grad_norm, dict(row.parts)) == (2, None, None, {})
    assert "slot 5" in row.fault
    for one, other in zip(before, (trainer.state().weights, trainer.weights()), strict=True):
        assert torch.equal(one["line.weight"], other["line.weight"])
    after = trainer.advance()
    assert (after.step, after.fault) == (3, "")
    assert math.isfinite(after.loss)


def test_a_training_whose_first_step_was_bad_goes_on_from_its_checkpoint(trainer_of, regression):
    def begun():
        return trainer_of(regression(poisoned=[(0, 5)]), stop_after_bad_steps=2)

    first, second, unbroken = begun(), begun(), begun()
    first.advance()
    assert not first.state().moments
    second.restore(first.state())
    assert torch.equal(weights_after(second, 3), weights_after(unbroken, 4))


def test_memory_that_the_optimizer_lacks_is_told_as_such(trainer_of, regression, monkeypatch):
    trainer = trainer_of(regression())

    def allocate():
        torch.empty(2**60, dtype=torch.uint8)

    monkeypatch.setattr(trainer._scaled, "step", allocate)
    with pytest.raises(CapacityError, match="AdamW keeps two numbers beside each of the 3 "):
        trainer.advance()


def test_the_last_tolerated_bad_step_stops_and_names_all_of_them(trainer_of, regression):
    trainer = trainer_of(regression(poisoned=[(1, 0), (3, 7)]), stop_after_bad_steps=2)
    with pytest.raises(NumericsError) as stopped:
        weights_after(trainer, 4)
    assert "step 1: " in stopped.value.why
    assert "step 3: " in stopped.value.why


def test_a_held_out_loss_that_is_not_finite_is_no_judgement(trainer_of, regression):
    objective = regression()
    objective.validation_loss = lambda: float("nan")
    with pytest.raises(NumericsError, match="held-out loss is nan"):
        trainer_of(objective).validation_loss()


@pytest.mark.parametrize("room", [7, 4, 3, 1])
def test_when_memory_runs_out_smaller_micro_batches_make_the_same_steps(trainer_of, regression, room, caplog):
    whole = trainer_of(regression())
    tight = trainer_of(regression(room=room))
    expected = [whole.advance() for _ in range(4)]
    found = [tight.advance() for _ in range(4)]
    assert [row.micro_batch for row in found] == [{7: 4, 4: 4, 3: 2, 1: 1}[room]] * 4
    assert [row.loss for row in found] == pytest.approx([row.loss for row in expected], rel=1e-5)
    assert torch.allclose(whole.weights()["line.weight"], tight.weights()["line.weight"], atol=1e-6)
    assert "Out of memory at training step 0" in caplog.text
    assert "the effective batch stays 8" in caplog.text


def test_portions_of_unequal_size_weigh_by_their_slots(trainer_of, regression):
    whole = weights_after(trainer_of(regression(batch_size=5)), 3)
    tight = weights_after(trainer_of(regression(batch_size=5, room=3)), 3)
    assert torch.allclose(whole, tight, atol=1e-6)


def test_when_a_single_slot_does_not_fit_that_is_said_and_no_weight_moves(trainer_of, regression):
    trainer = trainer_of(regression(room=0))
    with pytest.raises(CapacityError, match="a single picture needs more memory") as stopped:
        trainer.advance()
    assert "training step 0" in stopped.value.where
    assert "can't allocate memory" in stopped.value.why
    assert torch.equal(trainer.weights()["line.weight"], torch.zeros(1, 3))


def test_a_loss_that_compares_its_slots_is_never_split(trainer_of, regression):
    objective = regression(room=4)
    objective.separable = False
    with pytest.raises(CapacityError, match="compares all of its 8 slots"):
        trainer_of(objective).advance()


def test_an_error_that_is_not_about_memory_is_not_retried(trainer_of, regression):
    objective = regression()
    calls = []

    def fail(step, slots):
        calls.append(step)
        raise RuntimeError("shapes do not match")

    objective.forward = fail
    with pytest.raises(RuntimeError, match="shapes do not match"):
        trainer_of(objective).advance()
    assert calls == [0]


def test_the_learning_rate_warms_up_and_follows_the_cosine():
    settings = OptimizerSettings(steps=110, learning_rate=1.0, warmup_steps=10, decay="cosine")
    assert [settings.learning_rate_at(step) for step in (0, 4, 9)] == pytest.approx([0.1, 0.5, 1.0])
    assert settings.learning_rate_at(60) == pytest.approx(0.5)
    assert settings.learning_rate_at(109) == pytest.approx(0.5 * (1 + math.cos(math.pi * 99 / 100)))


def test_the_average_is_the_recursion_it_claims_to_be(trainer_of, regression):
    trainer = trainer_of(regression(), ema_decay=0.9)
    average = torch.zeros(1, 3)
    for update in range(12):
        trainer.advance()
        decay = min(0.9, (1 + update) / (10 + update))
        average = decay * average + (1 - decay) * trainer.state().weights["line.weight"]
    assert torch.allclose(trainer.weights()["line.weight"], average, atol=1e-6)


def test_validation_judges_the_weights_that_would_be_saved(trainer_of, regression, truth):
    trainer = trainer_of(regression(), ema_decay=0.9)
    trainer.advance()
    saved = trainer.weights()["line.weight"].squeeze(0)
    assert trainer.validation_loss() == pytest.approx(float((saved - truth).square().sum()))


def test_dropout_never_draws_from_the_global_generator(trainer_of, regression):
    objective = regression()
    objective.line = torch.nn.Sequential(torch.nn.Dropout(0.5), objective.line)
    objective.trained_modules = lambda: {"line": objective.line}
    trainer = trainer_of(objective)
    before = torch.get_rng_state()
    rows = [trainer.advance() for _ in range(3)]
    assert torch.equal(torch.get_rng_state(), before)
    plain = trainer_of(regression())
    assert [row.loss for row in rows] == [plain.advance().loss for _ in range(3)]


def test_each_row_reports_the_loss_before_its_step(trainer_of, regression):
    objective = regression()
    before = float(objective(0, range(8)).total.detach())
    row = trainer_of(objective).advance()
    assert (row.step, row.loss) == (0, pytest.approx(before))
    assert row.parts["squared_error"] == pytest.approx(before)
