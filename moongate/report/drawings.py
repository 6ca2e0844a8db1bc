"""The training curves of a run, drawn once for an adapter however many runs show it.

Drawing them takes longer than all else in a report, most of it matplotlib's import, and a run that finds
everything in the store would do it for nothing.
"""

import json
import shutil
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from moongate.artifacts.digests import file_digest, json_digest
from moongate.artifacts.durability import atomic_file
from moongate.report.evidence import TrainingRecord

CURVES_NAME = "curves.json"
SHEETS_NAME = "sheets"


def svgs_of(fit: TrainingRecord | None) -> dict[str, str]:
    """Draw each training curve that has points, for the page; return the SVGs by name."""
    from moongate.report.curves import as_svg, training_curves

    return {name: as_svg(figure, name) for name, figure in training_curves(fit)}


def kept_curves(run_folder: Path, adapter: str, fit: TrainingRecord | None) -> Mapping[str, str]:
    """Put `sheets/<name>.png` of each curve under `run_folder`, and return the SVGs by name.

    `curves.json` beside them keeps the SVGs and says what they were drawn from. When this run, or another one
    under the same parent, has them already, nothing is drawn and matplotlib is not imported.

    Args:
        run_folder: the run's.
        adapter: digest of what was trained.
        fit: how.
    """
    content = _content(adapter)
    for folder in (run_folder, *_with_curves(run_folder.parent)):
        if (svgs := _read(folder, content)) is not None:
            _take_over(folder, run_folder, svgs)
            break
    else:
        svgs = _drawn(run_folder, fit)
    with atomic_file(run_folder / CURVES_NAME) as temporary:
        temporary.write_text(json.dumps({"content": content, "svgs": svgs}), encoding="utf-8")
    return svgs


def curve_png(runs: Path, adapter: str, name: str, fit: TrainingRecord) -> bytes:
    """Return a training curve as PNG: as a run under `runs` keeps it, or drawn when none does.

    Args:
        runs: the folder of all runs.
        adapter: digest of what was trained.
        name: "loss" or "validation"; `fit` has points of it.
        fit: how.
    """
    content = _content(adapter)
    for folder in _with_curves(runs):
        if name in (_read(folder, content) or ()):
            return _png(folder, name).read_bytes()
    from moongate.report.curves import as_png, training_curves

    return as_png(dict(training_curves(fit))[name])


def _content(adapter: str) -> str:
    """Return what decides the drawings: what they show, and what draws them."""
    drawing = file_digest(Path(__file__).with_name("curves.py"))
    return json_digest([adapter, drawing, version("matplotlib")])


def _with_curves(runs: Path) -> list[Path]:
    """Return the folders of the runs that have curves, newest first."""
    return [path.parent for path in sorted(runs.glob(f"*/{CURVES_NAME}"), reverse=True)]


def _read(folder: Path, content: str) -> dict[str, str] | None:
    """Return the SVGs that a run keeps, when they and their PNGs are of this content."""
    try:
        kept = json.loads((folder / CURVES_NAME).read_text(encoding="utf-8"))
        svgs: dict[str, str] = kept["svgs"]
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
    is_whole = kept.get("content") == content and all(_png(folder, name).is_file() for name in svgs)
    return svgs if is_whole else None


def _take_over(source: Path, target: Path, svgs: Mapping[str, str]) -> None:
    if source == target:
        return
    for name in svgs:
        with atomic_file(_png(target, name)) as temporary:
            shutil.copyfile(_png(source, name), temporary)


def _drawn(folder: Path, fit: TrainingRecord | None) -> dict[str, str]:
    from moongate.report.curves import as_png, training_curves

    svgs = svgs_of(fit)
    for name, figure in training_curves(fit):
        with atomic_file(_png(folder, name)) as temporary:
            temporary.write_bytes(as_png(figure))
    return svgs


def _png(folder: Path, name: str) -> Path:
    return folder / SHEETS_NAME / f"{name}.png"
