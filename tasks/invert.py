"""Task: invert."""

from functools import partial

from prefect import task

from moongate.artifacts.refs import InversionsRef
from moongate.artifacts.store import Obtained
from moongate.config import InvertConfig
from moongate.exhibits import stages
from moongate.stages import invert as core
from tasks.policies import STAGE_POLICY, Terms, performed


@task(name="invert", task_run_name="invert {role} · {terms.subject}", **STAGE_POLICY)
def invert(
    role: str, config: InvertConfig, inputs: core.InvertInputs, terms: Terms
) -> Obtained[InversionsRef]:
    """Invert the evaluation pictures under one model."""
    return performed(core.invert, config, inputs, terms, partial(stages.of_inversions, role))
