import pytest
import torch
from diffusers import DDIMScheduler
from torch import Tensor

from moongate.diffusion.losses import dreambooth_loss, simple_loss, target
from moongate.diffusion.schedule import NoiseSchedule
from moongate.errors import ConfigError
from tests.diffusion.test_scheduler_config import SD1

TIMESTEPS = torch.tensor([0, 10, 300, 600, 999])
X_0, EPSILON = torch.randn(2, 5, 4, 8, 8, generator=torch.Generator().manual_seed(0))


def schedule_of(prediction_type: str) -> NoiseSchedule:
    return NoiseSchedule.from_scheduler_config(SD1 | {"prediction_type": prediction_type})


def test_targets_are_those_of_diffusers() -> None:
    assert torch.equal(target(schedule_of("epsilon"), X_0, EPSILON, TIMESTEPS), EPSILON)
    velocity = DDIMScheduler.from_config(SD1).get_velocity(X_0, EPSILON, TIMESTEPS)
    ours = target(schedule_of("v_prediction"), X_0, EPSILON, TIMESTEPS)
    torch.testing.assert_close(ours, velocity, atol=1e-5, rtol=0)


def test_loss_is_the_mean_square_of_each_sample_in_float32() -> None:
    prediction = (EPSILON + torch.arange(5.0).reshape(5, 1, 1, 1)).to(torch.bfloat16)
    loss = simple_loss(prediction, EPSILON)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, torch.arange(5.0).square(), atol=0.05, rtol=0.01)


def test_dreambooth_adds_the_weighed_mean_of_the_prior() -> None:
    instance, prior = torch.tensor([1.0, 3.0]), torch.tensor([4.0, 5.0, 6.0])
    assert dreambooth_loss(instance, prior, 0.5) == 2 + 0.5 * 5
    assert dreambooth_loss(instance, torch.empty(0), 0.0) == 2


@pytest.mark.parametrize(("prior", "weight"), [(torch.empty(0), 1.0), (torch.ones(2), -1.0)])
def test_prior_preservation_without_prior_or_against_it_is_refused(prior: Tensor, weight: float) -> None:
    with pytest.raises(ConfigError, match="prior preservation"):
        dreambooth_loss(torch.ones(2), prior, weight)
