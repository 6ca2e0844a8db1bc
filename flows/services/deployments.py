"""The deployments that the project's file names, and what a server keeps of their flows."""

from pathlib import Path
from typing import Any

from prefect import Flow
from prefect.flows import load_flow_arguments_from_entrypoint, load_flow_from_entrypoint
from prefect.utilities.callables import parameter_schema
from ruamel.yaml import YAML

from moongate.artifacts.digests import file_digest, json_digest


def deployment_names(project: Path, file: Path) -> list[str]:
    """Return `<flow>/<deployment>` for every deployment of a file.

    Args:
        project: the folder that its entrypoints start from.
        file: relative to it.
    """
    return [f"{_flow_name(project, one['entrypoint'])}/{one['name']}" for one in _wanted(project, file)]


def deployments_digest(project: Path, file: Path) -> str:
    """Return a digest of all that a server is told of the deployments of a file.

    That is the file and the parameters of its flows: a server has its run form from them, and refuses what is
    not among them.
    """
    entrypoints = sorted({one["entrypoint"] for one in _wanted(project, file)})
    schemas = [_schema(project, entrypoint) for entrypoint in entrypoints]
    return json_digest([file_digest(project / file), *schemas])


def _wanted(project: Path, file: Path) -> list[dict[str, str]]:
    return list(YAML(typ="safe", pure=True).load(project / file)["deployments"])


def _flow_name(project: Path, entrypoint: str) -> str:
    stated = load_flow_arguments_from_entrypoint(_absolute(project, entrypoint), {"name"})
    return str(stated["name"])


def _schema(project: Path, entrypoint: str) -> dict[str, Any]:
    flow: Flow[..., Any] = load_flow_from_entrypoint(_absolute(project, entrypoint))
    return parameter_schema(flow).model_dump_for_openapi()


def _absolute(project: Path, entrypoint: str) -> str:
    path, _, function = entrypoint.partition(":")
    return f"{project / path}:{function}"
