"""Task: sample."""

from functools import partial

from prefect import task

from moongate.artifacts.refs import SampleSetRef
from moongate.artifacts.store import Obtained
from moongate.config import SampleConfig
from moongate.exhibits import stages
from moongate.stages import sample as core
from tasks.policies import STAGE_POLICY, Terms, performed


@task(name="sample", task_run_name="sample {role} · {terms.subject}", **STAGE_POLICY)
def sample(
    role: str, config: SampleConfig, inputs: core.SampleInputs, terms: Terms
) -> Obtained[SampleSetRef]:
    """Draw prompts x seeds with one model."""
    return performed(core.sample, config, inputs, terms, partial(stages.of_samples, role))
