from math import sqrt

import pytest
import torch
from torch import Tensor

from moongate.diffusion.ddim import (
    ddim_sigma,
    ddim_transition,
    ddpm_sigma,
    ddpm_transition,
    predict_epsilon,
    predict_x0_epsilon,
    remove_noise,
)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("a", [0.9, 0.3, 0.005])
def test_epsilon_and_v_outputs_of_one_state_imply_what_it_was_made_from(a: float) -> None:
    x_0, epsilon = normal(2, 3, 4, 8, 8)
    x = sqrt(a) * x_0 + sqrt(1 - a) * epsilon
    v = sqrt(a) * epsilon - sqrt(1 - a) * x_0
    for output, prediction_type in ((epsilon, "epsilon"), (v, "v_prediction")):
        found = predict_x0_epsilon(output, x, a, prediction_type)
        torch.testing.assert_close(found[0], x_0)
        torch.testing.assert_close(found[1], epsilon)
        torch.testing.assert_close(predict_epsilon(output, x, a, prediction_type), epsilon)


def test_v_is_defined_where_no_signal_is_left() -> None:
    x, v = normal(2, 1, 4, 8, 8)
    x_0, epsilon = predict_x0_epsilon(v, x, 0.0, "v_prediction")
    torch.testing.assert_close(x_0, -v)
    torch.testing.assert_close(epsilon, x)


@pytest.mark.parametrize(("a_s", "a_d"), [(0.1, 0.4), (0.4, 0.1), (0.005, 1.0), (0.3, 0.3)])
def test_move_leads_to_the_state_of_the_same_x_0_and_epsilon(a_s: float, a_d: float) -> None:
    x_0, epsilon = normal(2, 3, 4, 8, 8)
    x_s = sqrt(a_s) * x_0 + sqrt(1 - a_s) * epsilon
    x_d = ddim_transition(remove_noise(x_s, epsilon, a_s), epsilon, a_d)
    torch.testing.assert_close(x_d, sqrt(a_d) * x_0 + sqrt(1 - a_d) * epsilon)


def test_ddpm_step_is_algorithm_2() -> None:
    x_s, epsilon, z = normal(3, 2, 4, 8, 8)
    a_s, a_d = 0.2, 0.25
    alpha = a_s / a_d
    sigma = sqrt((1 - a_d) / (1 - a_s) * (1 - alpha))
    expected = (x_s - (1 - alpha) / sqrt(1 - a_s) * epsilon) / sqrt(alpha) + sigma * z
    ours = ddpm_transition(x_s, remove_noise(x_s, epsilon, a_s), a_s, a_d, z)
    torch.testing.assert_close(ours, expected)


@pytest.mark.parametrize(("a_s", "a_d"), [(0.005, 0.2), (0.2, 0.25), (0.9, 1.0)])
def test_eta_1_is_ddpm(a_s: float, a_d: float) -> None:
    x_s, epsilon, z = normal(3, 2, 4, 8, 8)
    x_0 = remove_noise(x_s, epsilon, a_s)
    sigma = ddim_sigma(a_s, a_d, eta=1.0)
    assert sigma == pytest.approx(ddpm_sigma(a_s, a_d))
    torch.testing.assert_close(
        ddim_transition(x_0, epsilon, a_d, sigma, z), ddpm_transition(x_s, x_0, a_s, a_d, z)
    )


def test_noise_that_is_needed_and_not_given_is_an_error() -> None:
    x = normal(1, 4, 8, 8)
    with pytest.raises(ValueError, match="needs noise"):
        ddim_transition(x, x, 0.5, sigma=0.1)
    with pytest.raises(ValueError, match="needs noise"):
        ddpm_transition(x, x, 0.2, 0.5)
