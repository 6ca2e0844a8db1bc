"""Task: train."""

from prefect import task

from moongate.artifacts.refs import AdapterRef
from moongate.artifacts.store import Obtained
from moongate.config import TrainConfig
from moongate.exhibits import stages
from moongate.stages import train as core
from tasks.policies import STAGE_POLICY, Terms, performed


@task(name="train", task_run_name="train {role} · {terms.subject}", **STAGE_POLICY)
def train(role: str, config: TrainConfig, inputs: core.TrainInputs, terms: Terms) -> Obtained[AdapterRef]:
    """Personalize the base model."""
    return performed(core.train, config, inputs, terms, stages.of_training)
