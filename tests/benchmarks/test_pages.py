from pathlib import Path

import pytest

from benchmarks.chromium import VARIABLE, NoBrowserError, browser
from benchmarks.pages.browser import SCREENS
from benchmarks.pages.crowd import crowd
from moongate.artifacts.store import Store
from moongate.index.site import write_index
from moongate.runs import list_runs
from tests.index_material import shown_run


def test_every_run_of_a_crowd_has_artifacts_of_its_own(tmp_path: Path) -> None:
    source, target = Store(tmp_path / "one"), Store(tmp_path / "many")
    crowd(source.root, shown_run(source, 1), 3, target.root)
    digests = [entry.digest for run in list_runs(target.root) for entry in run.stages]
    assert len(digests) == len(set(digests)) == 3 * 5
    html = write_index(target).read_text(encoding="utf-8")
    assert html.count("<img") == 3 * 2
    assert len(list((target.root / "index").iterdir())) == 3 * 3


def test_without_the_extra_or_without_a_chromium_the_reason_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(NoBrowserError, match=r"\.\[browser\]|no Chromium was found"), browser():
        pass


def test_pages_are_looked_at_on_phones_and_desktops_in_both_schemes() -> None:
    assert {screen.width for screen in SCREENS} == {320, 390, 1280}
    assert {screen.scheme for screen in SCREENS} == {"light", "dark"}
