"""Task: ingest."""

from prefect import task

from moongate.artifacts.refs import ImageSetRef
from moongate.artifacts.store import Obtained
from moongate.config import IngestConfig
from moongate.stages import ingest as core
from tasks.policies import STAGE_POLICY, Terms, performed


@task(name="ingest", task_run_name="ingest {role}", tags=["stage:ingest"], **STAGE_POLICY)
def ingest(role: str, config: IngestConfig, inputs: core.IngestInputs, terms: Terms) -> Obtained[ImageSetRef]:
    """Check, normalise and describe the pictures of one folder."""
    return performed(core.ingest, config, inputs, terms)
