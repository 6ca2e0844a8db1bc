"""A server makes its run form from the flows' parameter schemas: it is as readable as they are complete."""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect import Flow

ROOT = Path(__file__).parents[2]
ENTRYPOINTS = sorted(
    {
        deployment["entrypoint"]
        for deployment in yaml.safe_load((ROOT / "deployments" / "prefect.yaml").read_text())["deployments"]
    }
)


def flow_of(entrypoint: str) -> Flow[..., Any]:
    path, _, name = entrypoint.partition(":")
    flow = getattr(import_module(path.removesuffix(".py").replace("/", ".")), name)
    assert isinstance(flow, Flow)
    return flow


def fields(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every parameter of a schema, and every field of the models nested in it, by dotted name."""
    models = {"": schema, **{f"{name}.": model for name, model in schema.get("definitions", {}).items()}}
    for prefix, model in models.items():
        for name, field in model.get("properties", {}).items():
            yield f"{prefix}{name}", field


@pytest.mark.parametrize("entrypoint", ENTRYPOINTS)
def test_every_field_of_the_run_form_has_a_title_and_a_description(entrypoint: str) -> None:
    found = dict(fields(flow_of(entrypoint).parameters.model_dump()))
    assert found
    silent = [name for name, field in found.items() if not (field.get("title") and field.get("description"))]
    assert silent == []


@pytest.mark.parametrize("entrypoint", ENTRYPOINTS)
def test_every_optional_parameter_shows_its_default(entrypoint: str) -> None:
    """A default that is made by a factory would show as an empty field."""
    schema = flow_of(entrypoint).parameters.model_dump()
    required = {
        *schema["required"],
        *(f for m in schema["definitions"].values() for f in m.get("required", ())),
    }
    absent = [n for n, f in fields(schema) if "default" not in f and n.rpartition(".")[2] not in required]
    assert absent == []


def test_the_check_sees_a_field_without_words() -> None:
    nested = {"properties": {"a": {"title": "a"}}, "definitions": {"M": {"properties": {"b": {}}}}}
    assert [name for name, _ in fields(nested)] == ["a", "M.b"]
