"""Several processes with a real stage on one store: each artifact is built once, and every reader gets it."""

from pathlib import Path

import pytest

from benchmarks.sharing.process import PICTURES, share, write_folders


@pytest.mark.parametrize("processes", [2, 4])
def test_processes_at_once_build_each_artifact_once_and_read_it_whole(tmp_path: Path, processes: int) -> None:
    folders, store = write_folders(tmp_path, 3), tmp_path / "store"
    told = share(store, folders, processes, tmp_path / "start")
    assert len(told) == processes
    for answers in zip(*told, strict=True):
        assert len({answer.digest for answer in answers}) == 1
        assert sum(answer.built for answer in answers) == 1
        assert {answer.pictures for answer in answers} == {PICTURES}
    assert len(list((store / "artifacts" / "ingest").iterdir())) == len(folders)
