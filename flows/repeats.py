"""What repeating a run from one of its stages means, in settings: for the command and for the flow alike."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from moongate.config import RunConfig
from moongate.overrides import with_overrides
from moongate.runs import Origin, Verb, load_run


@dataclass(frozen=True)
class Repeat:
    """A run to be performed: its settings, the last stage, and what it repeats."""

    config: RunConfig
    until: Verb
    origin: Origin


def repeat_of(
    root: Path, run: str, stage: Verb, changes: Sequence[str], *, only: bool, force: bool
) -> Repeat:
    """Return what repeats a run from `stage` on.

    Args:
        root: folder of the store.
        run: id of the earlier run, a part of it, or `last`.
        stage: where to start.
        changes: settings such as `sample.guidance=5`, laid over those of the earlier run.
        only: stop after that stage.
        force: build that stage a second time.

    Raises:
        InputError: when no run fits, or several do.
        ConfigError: when a setting is not valid.
    """
    earlier = load_run(root, run)
    config = with_overrides(earlier.config, changes)
    origin = Origin(parent=earlier.run_id, from_stage=stage, overrides=tuple(changes), force=force)
    return Repeat(config, stage if only else "record", origin)
