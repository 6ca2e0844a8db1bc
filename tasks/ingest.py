"""Task: ingest."""

from functools import partial

from prefect import task

from moongate.artifacts.refs import ImageSetRef
from moongate.artifacts.store import Obtained
from moongate.config import IngestConfig
from moongate.exhibits import stages
from moongate.exhibits.kinds import Words
from moongate.imagefolder.account import RejectedInputsError, markdown_table
from moongate.stages import ingest as core
from tasks.exhibits import exhibit
from tasks.policies import STAGE_POLICY, Terms, performed


@task(name="ingest", task_run_name="ingest {role} · {terms.subject}", **STAGE_POLICY)
def ingest(role: str, config: IngestConfig, inputs: core.IngestInputs, terms: Terms) -> Obtained[ImageSetRef]:
    """Check, normalise and describe the pictures of one folder.

    When some cannot be used, the task run gets a table of them as an artifact.
    """
    try:
        return performed(core.ingest, config, inputs, terms, partial(stages.of_inputs, role))
    except RejectedInputsError as refused:
        account = refused.account
        refusal = Words(f"ingest-{role}", account.headline(), markdown_table(account))
        exhibit(terms.subject, [refusal])
        raise
