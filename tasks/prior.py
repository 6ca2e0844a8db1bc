"""Task: prior."""

from functools import partial

from prefect import task

from moongate.artifacts.refs import ImageSetRef
from moongate.artifacts.store import Obtained
from moongate.config import PriorConfig
from moongate.exhibits import stages
from moongate.stages import prior as core
from tasks.policies import STAGE_POLICY, Terms, performed


@task(name="prior", task_run_name="prior {role} · {terms.subject}", **STAGE_POLICY)
def prior(role: str, config: PriorConfig, inputs: core.PriorInputs, terms: Terms) -> Obtained[ImageSetRef]:
    """Draw class pictures with the frozen base model."""
    return performed(core.prior, config, inputs, terms, partial(stages.of_pictures, role))
