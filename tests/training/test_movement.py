"""After the first steps: what is trained has moved, what is frozen has not, or the training stops."""

import pytest
import torch
from torch import nn

from moongate.errors import NumericsError


def run(trainer, steps):
    for _ in range(steps):
        trainer.advance()


def with_frozen(objective):
    objective.frozen = nn.BatchNorm1d(3).eval()
    objective.frozen_modules = lambda: {"frozen": objective.frozen}
    return objective


def test_an_ordinary_training_passes(trainer_of, regression):
    run(trainer_of(with_frozen(regression()), steps=25), 25)


@pytest.mark.parametrize("tensor", ["weight", "running_mean"])
def test_a_frozen_tensor_that_moved_is_named_after_twenty_steps(trainer_of, regression, tensor):
    objective = with_frozen(regression())
    trainer = trainer_of(objective, steps=25)
    run(trainer, 19)
    with torch.no_grad():
        getattr(objective.frozen, tensor).add_(1e-3)
    with pytest.raises(NumericsError, match=f"what is frozen has moved(.|\n)*20 steps: frozen.{tensor}"):
        trainer.advance()


def test_a_short_training_is_checked_at_its_end(trainer_of, regression):
    objective = regression()
    objective.line.weight.data.fill_(1.0)
    trainer = trainer_of(objective, steps=3, learning_rate=1e-30)
    run(trainer, 2)
    with pytest.raises(NumericsError, match="what is to be trained has not moved(.|\n)*3 steps: line"):
        trainer.advance()


def test_a_parameter_that_no_gradient_reaches_is_named(trainer_of, regression):
    objective = regression()
    objective.line.forgotten = nn.Parameter(torch.ones(2))
    with pytest.raises(NumericsError, match=r"no gradient reaches(.|\n)*line\.forgotten"):
        run(trainer_of(objective, steps=3), 3)


def test_a_frozen_parameter_of_a_trained_module_must_stay(trainer_of, regression):
    objective = regression()
    objective.line.offset = nn.Parameter(torch.ones(2), requires_grad=False)
    trainer = trainer_of(objective, steps=3)
    run(trainer, 2)
    objective.line.offset.data.mul_(2)
    with pytest.raises(NumericsError, match=r"what is frozen has moved(.|\n)*line\.offset"):
        trainer.advance()
