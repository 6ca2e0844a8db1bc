"""Task: train."""

from functools import partial

from prefect import task

from moongate.artifacts.refs import AdapterRef
from moongate.artifacts.store import Obtained
from moongate.config import TrainConfig
from moongate.exhibits import stages
from moongate.runs import runs_folder
from moongate.stages import train as core
from tasks.policies import STAGE_POLICY, Terms, performed


@task(name="train", task_run_name="train {role} · {terms.subject}", **STAGE_POLICY)
def train(role: str, config: TrainConfig, inputs: core.TrainInputs, terms: Terms) -> Obtained[AdapterRef]:
    """Personalize the base model."""
    curve = partial(stages.of_training, runs_folder(terms.store().root))
    return performed(core.train, config, inputs, terms, curve)
