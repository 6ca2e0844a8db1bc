"""Task: evaluate."""

from prefect import task

from moongate.artifacts.refs import MetricsRef
from moongate.artifacts.store import Obtained
from moongate.config import EvaluateConfig
from moongate.exhibits import stages
from moongate.stages import evaluate as core
from tasks.policies import STAGE_POLICY, Terms, performed


@task(name="evaluate", task_run_name="evaluate {role} · {terms.subject}", **STAGE_POLICY)
def evaluate(
    role: str, config: EvaluateConfig, inputs: core.EvaluateInputs, terms: Terms
) -> Obtained[MetricsRef]:
    """Measure everything that the run has drawn and inverted."""
    return performed(core.evaluate, config, inputs, terms, stages.of_metrics)
