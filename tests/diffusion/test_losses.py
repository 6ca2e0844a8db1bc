import pytest
import torch
from diffusers import DDIMScheduler
from diffusers.training_utils import compute_snr
from torch import Tensor

from moongate.diffusion.ddim import predict_x0_epsilon
from moongate.diffusion.losses import dreambooth_loss, min_snr_weight, simple_loss, target
from moongate.diffusion.schedule import NoiseSchedule, add_noise
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
    weight = torch.tensor([1.0, 0.0, 2.0, 1.0, 0.5])
    torch.testing.assert_close(simple_loss(prediction, EPSILON, weight), loss * weight)


@pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("gamma", [1.0, 5.0])
def test_min_snr_weighs_every_kind_of_prediction_as_the_same_x_0_error(
    prediction_type: str, gamma: float
) -> None:
    schedule = schedule_of(prediction_type)
    x_t = add_noise(schedule, X_0, EPSILON, TIMESTEPS).double()
    wanted = target(schedule, X_0, EPSILON, TIMESTEPS).double()
    predicted = wanted + torch.randn(
        X_0.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64
    )
    snr = compute_snr(DDIMScheduler.from_config(SD1), TIMESTEPS).double()
    x_0_error = torch.stack(
        [
            _x_0(schedule, predicted, x_t, i).sub(_x_0(schedule, wanted, x_t, i)).square().mean()
            for i in range(5)
        ]
    )
    weighed = (predicted - wanted).square().flatten(1).mean(1) * min_snr_weight(schedule, TIMESTEPS, gamma)
    torch.testing.assert_close(weighed, snr.clamp(max=gamma) * x_0_error, rtol=1e-4, atol=0)


def _x_0(schedule: NoiseSchedule, output: Tensor, x_t: Tensor, i: int) -> Tensor:
    a = schedule.alpha_bar(int(TIMESTEPS[i]))
    return predict_x0_epsilon(output[i], x_t[i], a, schedule.prediction_type)[0]


def test_min_snr_needs_a_positive_gamma() -> None:
    with pytest.raises(ConfigError, match="positive gamma"):
        min_snr_weight(schedule_of("epsilon"), TIMESTEPS, 0.0)


def test_dreambooth_adds_the_weighed_mean_of_the_prior() -> None:
    instance, prior = torch.tensor([1.0, 3.0]), torch.tensor([4.0, 5.0, 6.0])
    assert dreambooth_loss(instance, prior, 0.5) == 2 + 0.5 * 5
    assert dreambooth_loss(instance, torch.empty(0), 0.0) == 2


@pytest.mark.parametrize(("prior", "weight"), [(torch.empty(0), 1.0), (torch.ones(2), -1.0)])
def test_prior_preservation_without_prior_or_against_it_is_refused(prior: Tensor, weight: float) -> None:
    with pytest.raises(ConfigError, match="prior preservation"):
        dreambooth_loss(torch.ones(2), prior, weight)
