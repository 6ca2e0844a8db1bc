"""What a server is told before workers start: work pools, deployments, and the automation for dead runs."""

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification
from prefect.exceptions import ObjectAlreadyExists
from prefect.workers.process import ProcessWorker

from flows.services.crew import CPU_POOL, GPU_POOL, services_place
from moongate.artifacts.digests import file_digest
from moongate.artifacts.store import Store
from moongate.errors import ConfigError

PREFECT_FILE = Path("deployments/prefect.yaml")
STAMP = "deployments.applied"
ZOMBIES = "moongate: runs without a heartbeat have crashed"
# Six of the workers' heartbeats: a native call that keeps Python from running delays some of them.
SILENCE = timedelta(seconds=180)
# The names of the states that a flow run ends in here, besides those of Prefect.
_ENDINGS = ("Completed", "Failed", "Cancelled", "Crashed", "Degraded")

Activity = dict[tuple[str, str], bool]


def project_folder() -> Path:
    """Return the folder of the project, which holds the deployments.

    Raises:
        ConfigError: when it is not there, as in an installation without a checkout.
    """
    folder = Path(__file__).parents[2]
    if not (folder / PREFECT_FILE).is_file():
        raise ConfigError(
            "the deployments are not here",
            where=str(folder / PREFECT_FILE),
            why="the command was installed without the project's folder",
            fix="run it from a checkout: git clone, make setup, then .venv/bin/moongate up",
        )
    return folder


def install(project: Path, stamp: Path, silence: timedelta = SILENCE) -> bool:
    """Create what the server lacks, and tell whether the deployments were applied.

    They are applied when they are new to the server or have changed since; a schedule that somebody has
    activated stays active.

    Args:
        project: the folder of the project.
        stamp: a file that says which deployments were applied last.
        silence: so long without a heartbeat, a run counts as dead.

    Raises:
        ConfigError: when the deployments cannot be applied.
    """
    with get_client(sync_client=True) as client:
        prepare(client, silence)
        wanted = f"{file_digest(project / PREFECT_FILE)} {project} {client.api_url}\n"
        before = activity(client)
        if stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted and before:
            return False
        _apply(project)
        restore(client, before)
    stamp.write_text(wanted, encoding="utf-8")
    return True


def prepare(client: SyncPrefectClient, silence: timedelta = SILENCE) -> None:
    """Create the work pools, and the automation that marks runs without a heartbeat as crashed."""
    for pool in (GPU_POOL, CPU_POOL):
        _create_pool(client, pool)
    _create_automation(client, silence)


def _create_pool(client: SyncPrefectClient, name: str) -> None:
    template = ProcessWorker.get_default_base_job_template()
    try:
        client.create_work_pool(WorkPoolCreate(name=name, type="process", base_job_template=template))
    except ObjectAlreadyExists:
        return


def _create_automation(client: SyncPrefectClient, silence: timedelta) -> None:
    """Let the server mark a flow run as crashed when its process no longer reports.

    A run that is killed together with its worker is otherwise shown as running for ever.
    """
    reports = {f"prefect.flow-run.{name}" for name in ("heartbeat", *_ENDINGS)}
    trigger = EventTrigger(
        after={"prefect.flow-run.heartbeat"},
        expect=reports,
        match=ResourceSpecification({"prefect.resource.id": ["prefect.flow-run.*"]}),
        for_each={"prefect.resource.id"},
        posture=Posture.Proactive,
        threshold=1,
        within=silence,
    )
    message = f"No heartbeat for {silence.total_seconds():.0f} s: the process of this run is gone."
    crash = ChangeFlowRunState(state=StateType.CRASHED, message=message)
    automation = AutomationCore(name=ZOMBIES, trigger=trigger, actions=[crash])
    existing = client.request("POST", "/automations/filter", json={}).json()
    if not any(found["name"] == ZOMBIES for found in existing):
        client.request("POST", "/automations/", json=automation.model_dump(mode="json"))


def activity(client: SyncPrefectClient) -> Activity:
    """Return by deployment and slug which schedules are active."""
    return {
        (str(deployment.id), schedule.slug or ""): schedule.active
        for deployment in client.read_deployments()
        for schedule in deployment.schedules
    }


def restore(client: SyncPrefectClient, before: Activity) -> None:
    """Set schedules active or not as they were: applying a deployment resets them to what the file says."""
    for deployment in client.read_deployments():
        for schedule in deployment.schedules:
            active = before.get((str(deployment.id), schedule.slug or ""))
            if active is not None and active != schedule.active:
                _set_active(client, deployment.id, schedule.id, active=active)


def _set_active(client: SyncPrefectClient, deployment: UUID, schedule: UUID, *, active: bool) -> None:
    where = {"id": deployment, "schedule_id": schedule}
    client.request(
        "PATCH", "/deployments/{id}/schedules/{schedule_id}", path_params=where, json={"active": active}
    )


def _apply(project: Path) -> None:
    command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"]
    done = subprocess.run(
        [*command, "--prefect-file", str(PREFECT_FILE)],
        cwd=project,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ConfigError(
            "the deployments could not be applied",
            where=str(project / PREFECT_FILE),
            why=(done.stderr or done.stdout).strip()[-1000:],
            fix="mend what it says, then the same command again",
        )


def main() -> None:
    """Install everything on the server of PREFECT_API_URL: for a machine whose services others start."""
    stamp = services_place(Store.from_environment().root).folder / STAMP
    stamp.parent.mkdir(parents=True, exist_ok=True)
    install(project_folder(), stamp)


if __name__ == "__main__":
    main()
