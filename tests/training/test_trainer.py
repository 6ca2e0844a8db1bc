import math

import pytest
import torch

from moongate.errors import ConfigError, NumericsError
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


def test_a_loss_that_is_not_finite_stops_the_training_and_names_the_step(trainer_of, regression):
    trainer = trainer_of(regression(poison_step=2))
    trainer.advance()
    trainer.advance()
    with pytest.raises(NumericsError, match="training step 2"):
        trainer.advance()


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
