import pytest
import torch
from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import rescale_noise_cfg

from moongate.diffusion.guidance import Guidance, classifier_free_guidance, rescale_guidance
from moongate.errors import ConfigError

UNCONDITIONAL, CONDITIONAL = torch.randn(2, 3, 4, 8, 8, generator=torch.Generator().manual_seed(0))


def test_scale_goes_from_the_unconditional_branch_through_the_conditional_one_and_beyond() -> None:
    torch.testing.assert_close(classifier_free_guidance(UNCONDITIONAL, CONDITIONAL, 0.0), UNCONDITIONAL)
    torch.testing.assert_close(classifier_free_guidance(UNCONDITIONAL, CONDITIONAL, 1.0), CONDITIONAL)
    expected = CONDITIONAL + 2 * (CONDITIONAL - UNCONDITIONAL)
    torch.testing.assert_close(classifier_free_guidance(UNCONDITIONAL, CONDITIONAL, 3.0), expected)


@pytest.mark.parametrize("phi", [0.0, 0.7, 1.0])
def test_rescaling_is_that_of_diffusers(phi: float) -> None:
    guided = classifier_free_guidance(UNCONDITIONAL, CONDITIONAL, 7.5)
    expected = rescale_noise_cfg(guided, CONDITIONAL, guidance_rescale=phi)
    torch.testing.assert_close(rescale_guidance(guided, CONDITIONAL, phi), expected)


def test_full_rescaling_gives_each_sample_the_spread_of_its_conditional_branch() -> None:
    guided = classifier_free_guidance(UNCONDITIONAL, CONDITIONAL, 7.5)
    rescaled = rescale_guidance(guided, CONDITIONAL, 1.0)
    torch.testing.assert_close(rescaled.flatten(1).std(dim=1), CONDITIONAL.flatten(1).std(dim=1))


def test_guidance_is_on_inside_its_interval_only() -> None:
    guidance = Guidance(5.0, start=0.3, stop=0.7)
    assert [guidance.scale_at(i, 10) for i in range(10)] == [1, 1, 1, 5, 5, 5, 5, 1, 1, 1]


@pytest.mark.parametrize(
    ("guidance", "needed"),
    [
        (Guidance(1.0), False),
        (Guidance(3.0), True),
        (Guidance(0.0), True),
        (Guidance(3.0, start=0.5, stop=0.5), False),
    ],
)
def test_unconditional_branch_is_needed_only_where_it_is_mixed_in(guidance: Guidance, needed: bool) -> None:
    assert guidance.needs_unconditional() is needed


@pytest.mark.parametrize(
    "settings",
    [{"scale": -1.0}, {"scale": 3.0, "rescale": 1.5}, {"scale": 3.0, "start": 0.6, "stop": 0.4}],
)
def test_values_out_of_range_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="out of range"):
        Guidance(**settings)
