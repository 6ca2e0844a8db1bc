"""A file whose writes never fail keeps the error for whoever asks."""

from pathlib import Path

import pytest

from moongate.artifacts.sinks import PatientFile


def test_it_is_an_ordinary_file_while_all_goes_well(tmp_path: Path) -> None:
    with PatientFile(tmp_path / "x") as file:
        assert [file.write(b"abc"), file.write(memoryview(b"de")), file.tell()] == [3, 2, 5]
        file.check()
    assert (tmp_path / "x").read_bytes() == b"abcde"


def test_a_full_disk_is_told_when_asked_and_at_the_end(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space left"), PatientFile(Path("/dev/full")) as file:
        assert file.write(bytes(2**20)) == 2**20
        assert file.write(b"more") == 4
        assert file.tell() == 2**20 + 4
        with pytest.raises(OSError, match="No space left"):
            file.check()


def test_an_error_of_the_writer_itself_is_not_hidden(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="mine"), PatientFile(Path("/dev/full")) as file:
        file.write(bytes(2**20))
        raise ValueError("mine")
