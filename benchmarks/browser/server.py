"""A Prefect server with its user interface, and a worker that performs runs of this project's deployments."""

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any, Literal
from urllib.error import URLError
from urllib.request import Request, urlopen

# An empty database is migrated first, which was seen to take minutes on a busy machine.
START_S = 900
RUN_S = 1800
DEPLOYMENTS = Path("deployments/prefect.yaml")
# A work pool has to be there before anything is deployed to it.
POOL_NAMES = re.compile(r"_pool: &\w+\n +name: (\S+)")


@dataclass(frozen=True)
class Server:
    """A server that is running.

    Attributes:
        url: of its user interface; its API is below it.
        environment: what a process needs to work with it.
        log: where those processes write what they say.
    """

    url: str
    environment: Mapping[str, str]
    log: Path

    def ask(self, method: Literal["GET", "POST"], path: str, body: object = None) -> Any:
        """Return the API's answer to a request."""
        content = None if body is None else json.dumps(body).encode()
        headers = {"content-type": "application/json"}
        request = Request(f"{self.url}/api/{path}", data=content, headers=headers, method=method)
        with urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def deploy(self) -> None:
        """Create the work pools and every deployment of the project, as `deployments/prefect.yaml` says."""
        for pool in POOL_NAMES.findall(DEPLOYMENTS.read_text(encoding="utf-8")):
            self.ask("POST", "work_pools/", {"name": pool, "type": "process"})
        self._prefect("--no-prompt", "deploy", "--all", "--prefect-file", str(DEPLOYMENTS))

    def deployment(self, flow: str, name: str) -> "Deployment":
        """Return a deployment."""
        found = self.ask("GET", f"deployments/name/{flow}/{name}")
        schema = found["parameter_openapi_schema"]
        return Deployment(found["id"], found["work_pool_name"], tuple(_descriptions(schema)))

    def perform(self, deployment: "Deployment", parameters: Mapping[str, object]) -> str:
        """Have a worker perform one run of a deployment, and return the flow run's id.

        Raises:
            RuntimeError: when it does not complete.
        """
        run = self.ask(
            "POST", f"deployments/{deployment.deployment_id}/create_flow_run", {"parameters": parameters}
        )
        self._prefect("worker", "start", "--pool", deployment.pool, "--run-once")
        state = self.ask("GET", f"flow_runs/{run['id']}")["state"]
        if state["type"] != "COMPLETED":
            raise RuntimeError(f"the run ended as {state['name']}: {state['message']}; see {self.log}")
        return str(run["id"])

    def artifacts(self, flow_run: str) -> list[dict[str, Any]]:
        """Return the artifacts of a flow run."""
        chosen = {"artifacts": {"flow_run_id": {"any_": [flow_run]}}, "limit": 200}
        found: list[dict[str, Any]] = self.ask("POST", "artifacts/filter", chosen)
        return found

    def _prefect(self, *arguments: str) -> None:
        with self.log.open("ab") as stream:
            subprocess.run(
                [sys.executable, "-m", "prefect", *arguments],
                env=dict(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                timeout=RUN_S,
                check=True,
            )


@dataclass(frozen=True)
class Deployment:
    """A deployment on a server: its id, its work pool, and what its run form says of each parameter."""

    deployment_id: str
    pool: str
    descriptions: tuple[str, ...]


@contextmanager
def served(folder: Path, store: Path) -> Iterator[Server]:
    """Run a server with its files in `folder`, for runs that keep their artifacts in `store`, as its logs do.

    Raises:
        RuntimeError: when it does not answer in time.
    """
    port = _free_port()
    store.mkdir(parents=True, exist_ok=True)
    url, log = f"http://127.0.0.1:{port}", store / "browser-server.log"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT")}
    environment |= {
        "PREFECT_HOME": str(folder / "prefect"),
        "PREFECT_API_URL": f"{url}/api",
        "PREFECT_UI_API_URL": f"{url}/api",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        "DO_NOT_TRACK": "1",
        "MOONGATE_HOME": str(store.resolve()),
    }
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    with log.open("wb") as stream:
        process = subprocess.Popen(command, env=environment, stdout=stream, stderr=stream)
        try:
            _wait_for(f"{url}/api/health", process, log)
            yield Server(url, environment, store / "browser-work.log")
        finally:
            process.terminate()
            process.wait(timeout=60)


def _descriptions(schema: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a flow's schema says of its parameters and of the fields of the models in them."""
    for model in (schema, *schema.get("definitions", {}).values()):
        for field in model.get("properties", {}).values():
            yield field["description"]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _wait_for(address: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urlopen(address, timeout=30):
                return
        except (URLError, HTTPException, OSError):
            time.sleep(0.5)
    raise RuntimeError(f"the Prefect server did not start: see {log}")
