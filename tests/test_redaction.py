import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from moongate.config import RunConfig
from moongate.redaction import redacted
from moongate.runs import RunRecord, going_on, new_run_id

ENVIRONMENT = {
    "PREFECT_API_KEY": "pnu_0123456789",
    "HF_TOKEN": "hf_abcdefgh",
    "PREFECT_API_DATABASE_CONNECTION_URL": "postgresql+asyncpg://me:hunter22@db/prefect",
    "MY_PASSWORD": "abc",
    "LANG": "a language",
}


def test_values_of_secret_variables_become_their_names() -> None:
    said = redacted("401 for pnu_0123456789 at hf_abcdefgh in a language, abc", ENVIRONMENT)
    assert said == "401 for <PREFECT_API_KEY> at <HF_TOKEN> in a language, abc"


def test_a_database_url_goes_whole_and_other_urls_lose_their_user() -> None:
    assert redacted(f"cannot reach {ENVIRONMENT['PREFECT_API_DATABASE_CONNECTION_URL']}", ENVIRONMENT) == (
        "cannot reach <PREFECT_API_DATABASE_CONNECTION_URL>"
    )
    assert redacted("https://user:pw@host/x and https://host/a@b", {}) == (
        "https://<credentials>@host/x and https://host/a@b"
    )


def test_the_error_of_a_run_is_recorded_without_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", ENVIRONMENT["HF_TOKEN"])
    run_id = new_run_id(datetime.now(UTC), "duck", "beef")
    record = RunRecord(run_id=run_id, started_utc=datetime.now(UTC).isoformat(), config=RunConfig())
    with pytest.raises(ConnectionError), going_on(tmp_path, record):
        raise ConnectionError(f"401 Unauthorized: Bearer {ENVIRONMENT['HF_TOKEN']}")
    written = json.loads((tmp_path / "runs" / run_id / "run.json").read_text())
    assert written["error"] == "ConnectionError: 401 Unauthorized: Bearer <HF_TOKEN>"
