import pytest

from moongate.artifacts.durability import atomic_file


def test_a_reader_of_the_old_file_keeps_reading_it_whole(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("old content")
    with path.open() as reader:
        with atomic_file(path) as temporary:
            temporary.write_text("new content")
        assert reader.read() == "old content"
    assert path.read_text() == "new content"


def test_a_failed_write_keeps_the_old_file_and_leaves_no_debris(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("old content")

    def write_half():
        with atomic_file(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError("interrupted")

    with pytest.raises(RuntimeError, match="interrupted"):
        write_half()
    assert [file.name for file in tmp_path.iterdir()] == ["a.json"]
    assert path.read_text() == "old content"


def test_an_unfinished_file_is_invisible_to_readers_of_the_folder(tmp_path):
    with atomic_file(tmp_path / "sub" / "a.parquet") as temporary:
        temporary.write_text("half")
        assert [file.name[0] for file in (tmp_path / "sub").iterdir()] == ["."]
        assert list((tmp_path / "sub").glob("*.parquet")) == []
