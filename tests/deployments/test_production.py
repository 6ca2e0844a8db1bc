"""What is deployed elsewhere says the same as `moongate up` does here, and is valid as far as can be told."""

import json
import re
import shutil
import subprocess
from configparser import ConfigParser
from pathlib import Path

import pytest
import yaml
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.settings.models.root import Settings
from prefect.utilities.math import lower_clamp_multiple

from flows.services.crew import CPU_POOL, GPU_POOL, SERVER_SETTINGS, WORKER_SETTINGS

FOLDER = Path(__file__).parents[2] / "deployments"
COMPOSE = yaml.safe_load((FOLDER / "compose.yaml").read_text())
TEMPLATE = json.loads((FOLDER / "kubernetes" / "gpu-job-template.json").read_text())
UNITS = sorted((FOLDER / "systemd").glob("*.service"))


class Unit(ConfigParser):
    """A unit file: keys may repeat, and their case matters."""

    def __init__(self, path: Path) -> None:
        super().__init__(strict=False, interpolation=None)
        self.optionxform = str  # type: ignore[assignment, method-assign]
        self.read(path)
        lines = path.read_text().splitlines()
        words = (line.removeprefix("Environment=") for line in lines if line.startswith("Environment="))
        self.environment = dict(word.split("=", 1) for word in words)


def test_compose_has_a_database_a_server_and_a_pinned_worker_for_each_gpu() -> None:
    services = COMPOSE["services"]
    assert services["database"]["image"].startswith("postgres:")
    url = services["server"]["environment"]["PREFECT_SERVER_DATABASE_CONNECTION_URL"]
    assert url.startswith("postgresql+asyncpg://prefect:${POSTGRES_PASSWORD:?")
    workers = {name: one for name, one in services.items() if name.startswith("worker-gpu")}
    devices = [
        one["deploy"]["resources"]["reservations"]["devices"][0]["device_ids"] for one in workers.values()
    ]
    assert devices == [["0"], ["1"]]
    for one in workers.values():
        assert one["command"][-2:] == ["--limit", "1"]
        assert GPU_POOL in one["command"]
    assert CPU_POOL in services["worker-cpu"]["command"]
    assert services["worker-cpu"]["environment"]["CUDA_VISIBLE_DEVICES"] == ""


def test_compose_has_the_settings_of_up_and_shares_the_folder_of_device_locks() -> None:
    services = COMPOSE["services"]
    assert SERVER_SETTINGS.items() <= services["server"]["environment"].items()
    for name, one in services.items():
        if name.startswith("worker"):
            assert WORKER_SETTINGS.items() <= one["environment"].items()
            lock_folder = one["environment"]["MOONGATE_DEVICE_LOCKS"]
            assert f"devices:{lock_folder}" in one["volumes"]
            assert f"store:{one['environment']['MOONGATE_HOME']}" in one["volumes"]


def test_workers_and_their_runs_try_a_server_whose_database_is_away_for_more_than_a_minute(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in WORKER_SETTINGS.items():
        monkeypatch.setenv(name, value)
    client = Settings().client
    assert client.retry_extra_codes == {500}
    pauses = sum(2.0**number for number in range(1, client.max_retries + 1))
    assert pauses * lower_clamp_multiple(1 + client.retry_jitter_factor) > 60


def test_every_volume_and_dependency_of_compose_is_there() -> None:
    services, volumes = COMPOSE["services"], COMPOSE["volumes"]
    for one in services.values():
        assert set(one.get("depends_on", ())) <= set(services)
        named = {volume.split(":")[0] for volume in one.get("volumes", ())}
        assert {name for name in named if not name.startswith(".")} <= set(volumes)


def test_the_image_holds_what_its_containers_run() -> None:
    lines = (FOLDER / "Dockerfile").read_text().splitlines()
    copied = {line.split()[1] for line in lines if line.startswith("COPY")}
    assert {"moongate", "flows", "tasks", "deployments", "datasets"} <= copied
    assert all((FOLDER.parent / name).exists() for name in copied)


def test_the_units_have_the_settings_of_up() -> None:
    server = Unit(FOLDER / "systemd" / "moongate-server.service")
    assert SERVER_SETTINGS.items() <= server.environment.items()
    for name, pin, pool, limit in (
        ("moongate-worker@.service", "%i", GPU_POOL, 1),
        ("moongate-worker-cpu.service", "", CPU_POOL, 2),
    ):
        worker = Unit(FOLDER / "systemd" / name)
        assert WORKER_SETTINGS.items() <= worker.environment.items()
        command = worker["Service"]["ExecStart"]
        assert f"/env CUDA_VISIBLE_DEVICES={pin} " in command
        assert f"--pool {pool} " in command
        assert command.endswith(f"--limit {limit}")


def test_the_unit_that_tells_the_server_of_deployments_tries_again_when_it_has_failed() -> None:
    unit = Unit(FOLDER / "systemd" / "moongate-deployments.service")["Service"]
    assert (unit["Type"], unit["Restart"], unit["RestartSec"]) == ("oneshot", "on-failure", "5")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    for path in UNITS:
        # The project lies elsewhere on this machine, and verify looks for programs and users.
        text = path.read_text().replace("/opt/moongate/.venv/bin/python", "/bin/true")
        text = text.replace("User=moongate", "User=root").replace("/opt/moongate", "/")
        (tmp_path / path.name.replace("@.", "@0.")).write_text(text)
    command = ["systemd-analyze", "verify", "--man=no", *map(str, tmp_path.iterdir())]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    about_ours = [line for line in done.stderr.splitlines() if "moongate" in line]
    assert (done.returncode, about_ours) == (0, [])


def test_the_kubernetes_template_is_valid_and_asks_for_one_gpu() -> None:
    WorkPoolCreate(name="moongate-gpu", type="kubernetes", base_job_template=TEMPLATE)
    used = set(re.findall(r"{{ (\w+) }}", json.dumps(TEMPLATE["job_configuration"])))
    variables = TEMPLATE["variables"]["properties"]
    assert used == set(variables)
    assert all(variable["description"] for variable in variables.values())
    pod = TEMPLATE["job_configuration"]["job_manifest"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "{{ gpus }}"
    assert variables["gpus"]["default"] == 1
    mounts = {mount["mountPath"] for mount in container["volumeMounts"]}
    environment = variables["env"]["default"]
    assert environment["MOONGATE_HOME"] in mounts
    # Those of a worker, which the cluster runs, are not for its runs.
    of_runs = {name: value for name, value in WORKER_SETTINGS.items() if "WORKER" not in name}
    assert of_runs.items() <= environment.items()
