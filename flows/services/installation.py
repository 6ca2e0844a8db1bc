"""What a server is told before workers start: work pools, deployments, and the automation for dead runs."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.exceptions import ObjectAlreadyExists
from prefect.workers.process import ProcessWorker

from flows.refusals import explained
from flows.server import configured_url
from flows.services.conduct import SERVER_TIMEOUT_S, is_healthy
from flows.services.crew import CPU_POOL, GPU_POOL, services_place
from flows.services.deployments import deployment_names, deployments_digest
from flows.services.schedules import left_open, schedules_kept, schedules_of
from flows.services.zombies import SILENCE, watch_for_silence
from moongate.artifacts.store import Store
from moongate.errors import ConfigError

PREFECT_FILE = Path("deployments/prefect.yaml")
STAMP = "deployments.applied"
NOTES = "schedules.json"
POLL_S = 0.5


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


def install(project: Path, folder: Path, silence: timedelta = SILENCE) -> bool:
    """Create what the server lacks, and tell whether the deployments were applied.

    They are applied when the server lacks one, or they or the parameters of their flows have changed since;
    what people have made of the schedules stays.

    Args:
        project: the folder of the project.
        folder: of what is written down: which deployments were applied last, and their schedules.
        silence: so long without a heartbeat, a run counts as dead.

    Raises:
        ConfigError: when the deployments cannot be applied, or the server refuses something.
    """
    names, notes = deployment_names(project, PREFECT_FILE), folder / NOTES
    with get_client(sync_client=True) as client, explained(client, "apply the deployments"):
        prepare(client, names, silence)
        wanted = f"{deployments_digest(project, PREFECT_FILE)} {project} {client.api_url}\n"
        present = schedules_of(client, names)
        if _stamped(folder / STAMP, wanted) and len(present) == len(names) and not left_open(notes, present):
            return False
        with schedules_kept(client, names, notes):
            _apply(project)
    (folder / STAMP).write_text(wanted, encoding="utf-8")
    return True


def prepare(client: SyncPrefectClient, names: Sequence[str], silence: timedelta = SILENCE) -> None:
    """Create the work pools, and the automation that marks runs without a heartbeat as crashed.

    Args:
        client: of the server.
        names: of the deployments, `<flow>/<deployment>`.
        silence: so long without a heartbeat, a run of one of their flows counts as dead.
    """
    for pool in (GPU_POOL, CPU_POOL):
        _create_pool(client, pool)
    watch_for_silence(client, (name.partition("/")[0] for name in names), silence)


def wait_for_server(url: str, timeout_s: float = SERVER_TIMEOUT_S) -> None:
    """Return once a server answers that somebody else starts.

    Raises:
        ConfigError: when it takes too long.
    """
    deadline = time.monotonic() + timeout_s
    while not is_healthy(url):
        if time.monotonic() > deadline:
            raise ConfigError(
                "the Prefect server does not answer",
                where=url,
                why=f"it was not ready after {timeout_s:.0f} s",
                fix="look at the server's log; PREFECT_API_URL says where it is looked for",
            )
        time.sleep(POLL_S)


def _stamped(stamp: Path, wanted: str) -> bool:
    return stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted


def _create_pool(client: SyncPrefectClient, name: str) -> None:
    template = ProcessWorker.get_default_base_job_template()
    try:
        client.create_work_pool(WorkPoolCreate(name=name, type="process", base_job_template=template))
    except ObjectAlreadyExists:
        return


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
    """Install everything on the server of PREFECT_API_URL: for a machine whose services others start.

    Raises:
        ConfigError: when there is no such server, or the deployments cannot be applied.
    """
    if (url := configured_url(os.environ)) is None:
        raise ConfigError(
            "there is no Prefect server to tell of the deployments",
            where="PREFECT_API_URL",
            why="it is not set",
            fix="set it to the server's address, such as http://127.0.0.1:4200/api",
        )
    wait_for_server(url)
    folder = services_place(Store.from_environment().root).folder
    folder.mkdir(parents=True, exist_ok=True)
    install(project_folder(), folder)


if __name__ == "__main__":
    main()
