"""Processes whose reader goes away, for real."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TALKER = """
import logging, sys, time
from pathlib import Path

import prefect
from flows.readers import outliving_readers
from prefect.logging.configuration import setup_logging

setup_logging()
log = logging.getLogger("prefect.talker")

def work(place):
    log.info("begun")
    sys.stdin.readline()
    for number in range(3):
        log.info("step %d", number)
    (place / "done").write_text("all of it")

place = Path(sys.argv[1])
if sys.argv[2] == "outliving":
    with outliving_readers():
        work(place)
else:
    work(place)
"""


@pytest.mark.parametrize("how", ["outliving", "as Prefect has it"])
def test_work_goes_on_when_its_log_has_lost_its_reader(tmp_path: Path, how: str) -> None:
    command = [sys.executable, "-c", TALKER, str(tmp_path), how]
    environment = os.environ | {"PREFECT_LOGGING_TO_API_ENABLED": "false"}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stderr=pipe, env=environment, text=True) as process:
        assert process.stdin
        assert process.stderr
        assert "begun" in process.stderr.readline()
        process.stderr.close()
        process.stdin.write("\n")
        process.stdin.close()
    # The second case shows that the first would fail without what is tested.
    assert (tmp_path / "done").exists() == (how == "outliving")
    assert (process.returncode == 0) == (how == "outliving")
