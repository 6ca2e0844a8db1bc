import importlib.metadata
from pathlib import Path

import datasets

ROOT = Path(__file__).parents[2]


def test_import_datasets_is_the_installed_library() -> None:
    installed = importlib.metadata.distribution("datasets").locate_file("datasets/__init__.py")
    assert Path(datasets.__file__).resolve() == Path(str(installed)).resolve()
    assert callable(datasets.load_dataset)


def test_the_datasets_folder_holds_no_python() -> None:
    assert not list((ROOT / "datasets").rglob("*.py"))


def test_tests_are_no_packages() -> None:
    assert not list((ROOT / "tests").rglob("__init__.py"))
