"""Which engine a flow uses, as typed or as filled in on a run form."""

from importlib.util import find_spec
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from moongate.errors import ConfigError

Kind = Literal["local", "dask", "ray"]


class EngineChoice(BaseModel):
    """Where stages are performed.

    None of it changes a result, but for the last bits of what a CPU computes with another number of threads.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind = Field(
        "local",
        description="local: in this process; dask, ray: on workers with a device each. On a CPU the number "
        "of threads shows in the last bits: OMP_NUM_THREADS makes it the same everywhere.",
    )
    address: str | None = Field(
        None, description="A running cluster, such as tcp://host:8786 or ray://host:10001; none = start one."
    )
    devices: int = Field(
        0,
        ge=0,
        description="Workers to start, with a device each, or shards of a stage on a running cluster, which "
        "uses all its workers; 0 = as many as the cluster or this host has.",
    )


def engine_choice(kind: Kind, address: str | None, devices: int) -> EngineChoice:
    """Return what was chosen on the command line.

    Raises:
        ConfigError: when the engine is not installed, or an address is given to none.
    """
    choice = EngineChoice(kind=kind, address=address, devices=devices)
    require_installed(choice)
    return choice


def require_installed(choice: EngineChoice) -> None:
    """Do nothing when the engine can be used.

    Raises:
        ConfigError: when its packages are not installed, or an address is given to no engine.
    """
    if choice.kind == "local":
        if choice.address is not None:
            raise ConfigError(
                "the address of a cluster needs an engine",
                where="--engine-address",
                why="the engine is local, which uses no cluster",
                fix="say which: --engine dask or --engine ray; or unset MOONGATE_ENGINE_ADDRESS",
            )
        return
    if find_spec(f"prefect_{choice.kind}") is None:
        raise ConfigError(
            f"the engine {choice.kind} is not installed",
            where=f"--engine {choice.kind}",
            why=f"the package prefect-{choice.kind} is missing",
            fix=f"in Moongate's folder: .venv/bin/pip install -c requirements.lock -e '.[{choice.kind}]'",
        )
