"""Task: record."""

from prefect import task

from moongate.artifacts.store import Store
from moongate.config import RunConfig
from moongate.exhibits.runs import of_run
from moongate.stages import record as core
from moongate.stages.context import StageContext
from tasks.exhibits import exhibit
from tasks.labels import label_with_stage
from tasks.policies import STAGE_POLICY
from tasks.progress import current_progress


@task(name="record", task_run_name="record run · {config.subject.name}", **STAGE_POLICY)
def record(config: RunConfig, inputs: core.RecordInputs) -> core.RecordRef:
    """Write a run's tables, contact sheets, report and exported model. Never cached: it is the run's own."""
    label_with_stage()
    recorded = core.record(config, inputs, StageContext(Store.from_environment(), current_progress(), "cpu"))
    exhibit(config.subject.name, [of_run(inputs.run, recorded.report)])
    return recorded
