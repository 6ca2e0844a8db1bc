"""Task: ingest."""

from prefect import task
from prefect.artifacts import create_markdown_artifact

from moongate.artifacts.refs import ImageSetRef
from moongate.artifacts.store import Obtained
from moongate.config import IngestConfig
from moongate.imagefolder.account import RejectedInputsError, markdown_table
from moongate.stages import ingest as core
from tasks.policies import STAGE_POLICY, Terms, performed


@task(name="ingest", task_run_name="ingest {role}", **STAGE_POLICY)
def ingest(role: str, config: IngestConfig, inputs: core.IngestInputs, terms: Terms) -> Obtained[ImageSetRef]:
    """Check, normalise and describe the pictures of one folder.

    When some cannot be used, the task run gets a table of them as an artifact.
    """
    try:
        return performed(core.ingest, config, inputs, terms)
    except RejectedInputsError as refused:
        account = refused.account
        create_markdown_artifact(
            markdown_table(account), key=f"inputs-{role}", description=account.headline()
        )
        raise
