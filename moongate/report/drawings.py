"""The training curves of a run, drawn once for an adapter however many runs show it.

Drawing them takes longer than all else in a report, most of it matplotlib's import, and a run that finds
everything in the store would do it for nothing.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from moongate.artifacts.digests import bytes_digest, file_digest, json_digest
from moongate.artifacts.durability import atomic_file
from moongate.report.evidence import TrainingRecord

CURVES_NAME = "curves.json"
SHEETS_NAME = "sheets"


def svgs_of(fit: TrainingRecord | None) -> dict[str, str]:
    """Draw each training curve that has points, for the page; return the SVGs by name."""
    from moongate.report.curves import as_svg, training_curves

    return {name: as_svg(figure, name) for name, figure in training_curves(fit)}


@dataclass(frozen=True)
class Curve:
    """A training curve: drawn for the page, and as a picture (PNG)."""

    svg: str
    png: bytes


def kept_curves(run_folder: Path, adapter: str, fit: TrainingRecord | None) -> Mapping[str, str]:
    """Put `sheets/<name>.png` of each curve under `run_folder`, and return the SVGs by name.

    `curves.json` beside them keeps the SVGs, the digests of the PNGs, and what they were drawn from. When
    this run, or another one under the same parent, has them already, nothing is drawn and matplotlib is not
    imported.

    Args:
        run_folder: the run's.
        adapter: digest of what was trained.
        fit: how.
    """
    curves = _kept(run_folder.parent, adapter)
    if curves is None:
        curves = _drawn(fit)
    _write(run_folder, adapter, curves)
    return {name: curve.svg for name, curve in curves.items()}


def curve_png(runs: Path, adapter: str, name: str, fit: TrainingRecord) -> bytes:
    """Return a training curve as PNG: as a run under `runs` keeps it, or drawn when none does.

    Args:
        runs: the folder of all runs.
        adapter: digest of what was trained.
        name: "loss" or "validation"; `fit` has points of it.
        fit: how.
    """
    kept = _kept(runs, adapter) or {}
    return kept[name].png if name in kept else _drawn(fit)[name].png


def _drawn(fit: TrainingRecord | None) -> dict[str, Curve]:
    from moongate.report.curves import as_png, training_curves

    pngs = {name: as_png(figure) for name, figure in training_curves(fit)}
    return {name: Curve(svg, pngs[name]) for name, svg in svgs_of(fit).items()}


def _content(adapter: str) -> str:
    """Return what decides the drawings: what they show, and what draws them."""
    drawing = file_digest(Path(__file__).with_name("curves.py"))
    return json_digest([adapter, drawing, version("matplotlib")])


def _kept(runs: Path, adapter: str) -> dict[str, Curve] | None:
    """Return the curves that the newest run with sound ones keeps."""
    content = _content(adapter)
    for path in sorted(runs.glob(f"*/{CURVES_NAME}"), reverse=True):
        if (curves := _read(path.parent, content)) is not None:
            return curves
    return None


def _read(folder: Path, content: str) -> dict[str, Curve] | None:
    """Return the curves that a run keeps, when they are of this content and whole."""
    try:
        kept = json.loads((folder / CURVES_NAME).read_text(encoding="utf-8"))
        if kept["content"] != content:
            return None
        curves = {name: Curve(svg, _png(folder, name).read_bytes()) for name, svg in kept["svgs"].items()}
        is_sound = all(bytes_digest(curve.png) == kept["pngs"][name] for name, curve in curves.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return curves if is_sound else None


def _write(folder: Path, adapter: str, curves: Mapping[str, Curve]) -> None:
    for name, curve in curves.items():
        with atomic_file(_png(folder, name)) as temporary:
            temporary.write_bytes(curve.png)
    record = {
        "content": _content(adapter),
        "svgs": {name: curve.svg for name, curve in curves.items()},
        "pngs": {name: bytes_digest(curve.png) for name, curve in curves.items()},
    }
    with atomic_file(folder / CURVES_NAME) as temporary:
        temporary.write_text(json.dumps(record), encoding="utf-8")


def _png(folder: Path, name: str) -> Path:
    return folder / SHEETS_NAME / f"{name}.png"
