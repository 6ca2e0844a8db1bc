"""A run whose folders cannot be used: it says everything at once, before any work."""

import asyncio
import json
import pickle
from io import StringIO
from pathlib import Path

import pandas as pd
import pytest
from prefect.client.orchestration import get_client
from rich.console import Console

from flows.complaints import print_error, rejects_table
from flows.intake import UnusableFoldersError
from flows.personalize import personalize
from moongate.config import RunConfig
from moongate.errors import InputError
from moongate.imagefolder.account import Account, RejectedInputsError
from moongate.imagefolder.verdicts import Verdict
from moongate.overrides import with_overrides
from moongate.runs import list_runs
from tests.flows.tiny_run import write_pictures


@pytest.fixture
def mistaken(config: RunConfig, tmp_path: Path) -> RunConfig:
    """Settings of the tiny run, with one fault in each of its three folders."""
    train, holdout, evaluation = (
        write_pictures(tmp_path / name, seed) for seed, name in enumerate(("train", "holdout", "evaluation"))
    )
    (train / "0.png").write_bytes(b"no picture")
    (holdout / "extra.gif").write_bytes(b"GIF89a")
    with (evaluation / "metadata.jsonl").open("a") as stream:
        stream.write(json.dumps({"file_name": "gone.png", "text": "a duck"}) + "\n")
    folders = [f"subject.folder={train}", f"subject.holdout_folder={holdout}"]
    return with_overrides(config, [*folders, f"ingest.evaluation_folder={evaluation}"])


@pytest.mark.usefixtures("prefect_server")
def test_every_folders_faults_are_told_at_once_before_any_work_and_kept_in_the_tables(
    mistaken: RunConfig, home: Path
) -> None:
    with pytest.raises(UnusableFoldersError) as caught:
        personalize(mistaken)
    message = str(caught.value)
    assert set(caught.value.faults) == {"train", "holdout", "evaluation"}
    assert "0.png, line 1: not a PNG, JPEG or WebP file" in message
    assert "extra.gif: no row in metadata.jsonl" in message
    assert "gone.png, line 5: there is no file 'gone.png'" in message
    run = list_runs(home)[0]
    assert (run.status, run.stages) == ("failed", ())
    first_line = str(run.error).partition("\n")[0]
    assert f"in the train folder, {mistaken.subject.folder}: 1 of 4 inputs" in first_line
    assert "(0.png, line 1)" in first_line
    assert "(extra.gif)" in first_line
    rows = pd.read_parquet(home / "tables" / "inputs" / f"{run.run_id}.ingest.0.parquet")
    assert rows.groupby("role")["file_name"].count().to_dict() == {"evaluation": 5, "holdout": 5, "train": 4}
    rejected = rows[rows["verdict"] == "rejected"]
    assert set(rejected["file_name"]) == {"0.png", "extra.gif", "gone.png"}
    assert (rejected["hint"] != "").all()
    assert (rows[rows["verdict"] == "accepted"]["caption_tokens"] > 2).all()


@pytest.mark.usefixtures("prefect_server")
def test_folders_that_cannot_be_read_at_all_have_a_row_each_in_the_table(
    mistaken: RunConfig, home: Path, tmp_path: Path
) -> None:
    metadata = tmp_path / "train" / "metadata.jsonl"
    metadata.write_text(metadata.read_text(), encoding="utf-16")
    overrides = [f"subject.holdout_folder={tmp_path / 'nowhere'}"]
    with pytest.raises(UnusableFoldersError):
        personalize(with_overrides(mistaken, overrides))
    run = list_runs(home)[0]
    rows = pd.read_parquet(home / "tables" / "inputs" / f"{run.run_id}.ingest.0.parquet")
    rejected = rows[rows["verdict"] == "rejected"].set_index("role")
    assert rejected["file_name"].to_dict() == {
        "train": "metadata.jsonl",
        "holdout": "nowhere",
        "evaluation": "gone.png",
    }
    assert "it is UTF-16" in rejected.loc["train", "reason"]
    assert "in UTF-8" in rejected.loc["train", "hint"]
    assert "the folder of pictures does not exist" in rejected.loc["holdout", "reason"]


@pytest.mark.usefixtures("prefect_server")
def test_a_user_interface_gets_the_same_table(mistaken: RunConfig, home: Path) -> None:
    with pytest.raises(UnusableFoldersError):
        personalize(mistaken, "ingest")

    async def latest() -> str:
        async with get_client() as client:
            found = await client.read_latest_artifacts()
            return str(next(one.data for one in found if one.key == "noise-duck-ingest-train"))

    assert r"0\.png\, line 1" in asyncio.run(latest())


@pytest.mark.usefixtures("prefect_server")
def test_with_rejects_allowed_the_run_goes_on(mistaken: RunConfig, home: Path) -> None:
    run = personalize(with_overrides(mistaken, ["ingest.allow_rejects=true"]), "ingest")
    assert [(entry.role, entry.items) for entry in run.stages] == [
        ("train", 3),
        ("holdout", 4),
        ("evaluation", 4),
    ]


def test_the_table_has_a_row_for_each_group_and_no_markup_of_strangers() -> None:
    hostile = Verdict("[bold]x[/bold]\x1b[2J.png", "rejected", "no row", "add a row")
    many = tuple(Verdict(f"{n}.gif", "rejected", "a GIF", "save it as PNG") for n in range(9))
    stream = StringIO()
    Console(file=stream, width=120).print(rejects_table(Account(Path("ducks"), (*many, hostile))))
    shown = stream.getvalue()
    assert "[bold]x[/bold]\\x1b[2J.png" in shown
    assert "\x1b" not in shown
    assert "and 4 more" in shown
    assert shown.index("save it as PNG") < shown.index("add a row")


def test_the_command_line_ends_with_each_folders_table_and_what_to_do(
    capsys: pytest.CaptureFixture[str],
) -> None:
    account = Account(Path("ducks"), (Verdict("x.png", "rejected", "a GIF", "save it as PNG"),))
    rejected = RejectedInputsError("1 of 1", where="ducks", why="a GIF", fix="save it", account=account)
    print_error(
        UnusableFoldersError({"train": rejected, "holdout": InputError("b", where="c", why="d", fix="e")})
    )
    printed = capsys.readouterr()
    assert printed.out == ""
    lines = [line.strip() for line in printed.err.splitlines() if line.strip()]
    assert lines[:2] == ["error: 1 of 1", "where: ducks (train)"]
    assert any(line.split() == ["save", "it", "as", "PNG", "x.png", "a", "GIF"] for line in lines)
    assert lines[-4:] == ["error: b", "where: c (holdout)", "why: d", "next: e"]


def test_the_error_travels_between_processes() -> None:
    account = Account(Path("ducks"), (Verdict("x.png", "rejected", "a GIF", "save it"),))
    rejected = RejectedInputsError("1 of 1", where="ducks", why="a GIF", fix="save it", account=account)
    error = UnusableFoldersError({"train": rejected, "holdout": InputError("b", where="c", why="d", fix="e")})
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), set(again.faults)) == (str(error), {"train", "holdout"})
    assert again.faults["train"].account == account
