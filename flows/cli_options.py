"""The options that several commands share, and the names of the stages as arguments."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Verb(StrEnum):
    """The eight stages, in the order of the chain."""

    ingest = "ingest"
    prior = "prior"
    cache = "cache"
    train = "train"
    invert = "invert"
    sample = "sample"
    evaluate = "evaluate"
    record = "record"


Preset = Annotated[
    str | None,
    typer.Option(metavar="NAME|FILE", help="Bundled preset, or a TOML file as `config` prints."),
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="One setting, such as train.steps=200. Repeatable."),
]
Subject = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        help="Pictures and metadata.jsonl of your subject; or a folder with train/ and holdout/ in it.",
    ),
]
ClassNoun = Annotated[
    str | None, typer.Option(metavar="NOUN", help="What kind of thing the subject is, such as dog.")
]
Identifier = Annotated[
    str | None, typer.Option(metavar="WORD", help="The rare word that comes to mean the subject.")
]
Base = Annotated[
    str | None,
    typer.Option(
        metavar="MODEL[@COMMIT]",
        help="Base model: toybox, a diffusers folder, or owner/name@<40 digits>.",
    ),
]
AllowRejects = Annotated[
    bool,
    typer.Option("--allow-rejects", help="Go on without the files that cannot be used. Else the run ends."),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Only look into the folders, and print what is cached or to build.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Only errors, then the result's path.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
JsonLines = Annotated[
    bool, typer.Option("--json", help="Print what happens as JSON, one event a line: docs/watching.md.")
]


class EngineKind(StrEnum):
    """Where the work is done."""

    local = "local"
    dask = "dask"
    ray = "ray"


Engine = Annotated[
    EngineKind,
    typer.Option(
        "--engine",
        envvar="MOONGATE_ENGINE",
        help="Work here, or on workers of a cluster; on a CPU, OMP_NUM_THREADS shows in the last bits.",
    ),
]
EngineAddress = Annotated[
    str | None,
    typer.Option(
        metavar="URL", envvar="MOONGATE_ENGINE_ADDRESS", help="A running cluster; else one is started here."
    ),
]
EngineDevices = Annotated[
    int,
    typer.Option(
        metavar="N",
        min=0,
        help="Workers to start, a device each; with an address, only how many shards a stage of a run is "
        "divided into. 0 = as many as the cluster or this host has.",
    ),
]
WHICH_RUN = "Id of a run, a part of it, or `last`."
RunId = Annotated[str, typer.Option("--run", metavar="RUN", help=WHICH_RUN)]
WhichRun = Annotated[str, typer.Argument(metavar="RUN", help=WHICH_RUN)]
