"""The tuned model of a run as an ordinary diffusers folder, exported once per base and adapter."""

import os
import shutil
from pathlib import Path

from moongate.artifacts.durability import atomic_file
from moongate.artifacts.refs import AdapterRef
from moongate.artifacts.store import Store
from moongate.models.source import BaseSource

MODEL_FOLDER = "model"
MARKER_NAME = "model.digest"


def export_model(run_folder: Path, base: BaseSource, adapter: AdapterRef, store: Store) -> Path:
    """Put the tuned model at `<run_folder>/model/` and return that folder.

    A file beside it says which base and adapter it holds. When that is right, or when another run under the
    same parent holds the same model, nothing is computed and torch is not imported.

    Raises:
        StoreError: when the store does not have the adapter.
        ModelError: when the adapter does not fit the base.
    """
    content = _content(base, adapter)
    if not _holds(run_folder, content):
        target, partial = run_folder / MODEL_FOLDER, run_folder / f".{MODEL_FOLDER}.partial"
        (run_folder / MARKER_NAME).unlink(missing_ok=True)
        for folder in (target, partial):
            shutil.rmtree(folder, ignore_errors=True)
        try:
            if (other := _other_run(run_folder, content)) is not None:
                shutil.copytree(other / MODEL_FOLDER, partial, copy_function=_link_or_copy)
            else:
                _compute(partial, base, store.folder(adapter))
            partial.rename(target)
        finally:
            # Where the disk is full, half a model would keep it so.
            shutil.rmtree(partial, ignore_errors=True)
        with atomic_file(run_folder / MARKER_NAME) as temporary:
            temporary.write_text(content, encoding="utf-8")
    return run_folder / MODEL_FOLDER


def is_exported(run_folder: Path, base: BaseSource, adapter: AdapterRef) -> bool:
    """Tell whether this run, or another under the same parent, holds the tuned model already."""
    content = _content(base, adapter)
    return _holds(run_folder, content) or _other_run(run_folder, content) is not None


def _content(base: BaseSource, adapter: AdapterRef) -> str:
    return f"{base.digest()} {adapter.digest}\n"


def _holds(run_folder: Path, content: str) -> bool:
    marker = run_folder / MARKER_NAME
    is_marked = marker.is_file() and marker.read_text(encoding="utf-8") == content
    return is_marked and (run_folder / MODEL_FOLDER).is_dir()


def _other_run(run_folder: Path, content: str) -> Path | None:
    markers = sorted(run_folder.parent.glob(f"*/{MARKER_NAME}"), reverse=True)
    return next((marker.parent for marker in markers if _holds(marker.parent, content)), None)


def _link_or_copy(source: str, target: str) -> None:
    # A Stable Diffusion export is 4 GB: runs that tuned to the same model share the bytes where they can.
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _compute(folder: Path, base: BaseSource, adapter_folder: Path) -> None:
    from moongate.models.adapters import apply_adapter
    from moongate.models.base import export_pipeline, load_model

    model = load_model(base, "cpu", "float32")
    apply_adapter(model, adapter_folder)
    export_pipeline(model, folder)
