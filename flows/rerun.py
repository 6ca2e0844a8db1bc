"""Repeat a run from one of its stages on: what `moongate rerun` does, for a worker."""

from prefect import flow

from flows.engines.choice import EngineChoice
from flows.personalize import perform_run
from flows.repeats import repeat_of
from moongate.artifacts.store import Store
from moongate.runs import RunRecord, Verb


@flow(name="rerun", flow_run_name="{stage} of {run}", persist_result=False)
def rerun(
    run: str = "last",
    stage: Verb = "sample",
    overrides: list[str] = [],  # noqa: B006 - never changed, and the run form shows literal defaults only
    only: bool = False,  # noqa: FBT001 - Prefect calls it with names
    force: bool = False,  # noqa: FBT001
) -> RunRecord:
    """Repeat a run from one of its stages on, with settings changed. It becomes a run of its own.

    Args:
        run: id of the earlier run, a part of it, or `last`.
        stage: the stage to start from; what comes before is reused as the run had it.
        overrides: settings such as `sample.guidance=5`, laid over those of the earlier run.
        only: stop after that stage.
        force: build that stage a second time, and say whether the bytes are the same.

    Raises:
        InputError: when no run fits, or several do.
        ConfigError: when a setting is not valid, or an earlier stage would not be what the run had.
    """
    repeat = repeat_of(Store.from_environment().root, run, stage, overrides, only=only, force=force)
    return perform_run(repeat.config, repeat.until, repeat.origin, EngineChoice())
