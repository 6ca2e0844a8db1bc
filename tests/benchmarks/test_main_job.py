import subprocess
import sys
from pathlib import Path

from benchmarks.figures import Record
from tests.flows.tiny_run import SETTINGS


def test_the_same_job_once_more_finds_everything_and_evaluates_nothing(tmp_path: Path) -> None:
    words = [word for setting in SETTINGS for word in ("--set", setting)]
    subprocess.run(
        [sys.executable, "-m", "benchmarks.main_job", *words, "--output", str(tmp_path)],
        capture_output=True,
        check=True,
        timeout=300,
    )
    figures = Record.read(tmp_path / "main_job.parquet").figures
    found = {(one.metric, one.column): one for one in figures}
    assert found["unet_evals", "first"].value
    assert found["cached", "first"].value == 0
    assert found["unet_evals", "again"].value == 0
    assert found["unet_evals", "again"].is_met
    assert found["cached", "again"].value == 17
    assert found["cached", "again"].label.endswith("of 18")
    assert [one.target for one in figures if one.metric == "seconds"] == [300, 20]
