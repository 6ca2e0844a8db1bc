"""Samples of a campaign's runs side by side: a row a member, a column a prompt."""

import logging
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow.parquet as pq
from PIL import Image

from moongate.artifacts.refs import SampleSetRef
from moongate.artifacts.store import Store
from moongate.campaign.labels import Labels, labels_of
from moongate.campaign.outcomes import Outcome
from moongate.campaign.selection import featured
from moongate.config import GateConfig
from moongate.prompts import CLASS
from moongate.report.evidence import NOISE
from moongate.report.reading import UNREADABLE
from moongate.report.row_sheets import Block, Row, row_sheet
from moongate.report.sheets import LARGEST_CELL, SMALLEST_CELL, fitted
from moongate.runs import RunRecord, load_run

PROMPTS_SHOWN = 8
ROWS_SHOWN = 64
ROWS_AT_FULL_SIZE = 24
"""More rows have smaller pictures, so that a sheet stays below 12 million pixels."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Drawn:
    """What one member drew: of each prompt's template its words and a picture, in the prompts' order."""

    place: int
    prompt_set: str
    prompts: dict[str, tuple[str, Image.Image]]


def samples_sheet(
    store: Store,
    outcomes: Sequence[Outcome],
    chosen: Outcome | None,
    gate: GateConfig,
    front: Sequence[Outcome] = (),
) -> Image.Image | None:
    """Return the sheet of a campaign's samples, or None when there are none.

    Members of the same prompts stand together. A member that drew nothing, or whose pictures are gone, has
    no row; a prompt that it lost is an empty frame.
    """
    begun = [place for place, one in enumerate(outcomes) if one.run_id]
    shown = featured([outcomes[place] for place in begun], chosen, gate, front, ROWS_SHOWN)
    largest = LARGEST_CELL if len(shown) <= ROWS_AT_FULL_SIZE else SMALLEST_CELL
    members = [
        drawn
        for place in (begun[index] for index in shown)
        if (drawn := _drawn(store, outcomes[place], place, largest)) is not None
    ]
    if not members:
        return None
    blocks, labels = defaultdict(list), labels_of(outcomes)
    for member in members:
        blocks[member.prompt_set].append(member)
    total = len(outcomes)
    few = f"Samples of {len(members)} of {total} runs"
    taken = chosen.name if chosen else None
    return row_sheet(
        few if len(members) < total else "Samples of every run",
        [_block(block, outcomes, labels, taken) for block in blocks.values()],
    )


def _drawn(store: Store, outcome: Outcome, place: int, largest: int) -> Drawn | None:
    try:
        run = load_run(store.root, outcome.run_id or "")
        prompts = _prompts(store, run, largest)
    except UNREADABLE as error:
        _log.warning("no samples of %s are shown, since they cannot be read: %s", outcome.name, error)
        return None
    return Drawn(place, str(run.config.sample.prompts), prompts) if prompts else None


def _prompts(store: Store, run: RunRecord, largest: int) -> dict[str, tuple[str, Image.Image]]:
    """Return a picture of each of the first prompts, with the first seed that could be drawn."""
    found: dict[str, tuple[str, Image.Image]] = {}
    for entry in run.current():
        if (entry.stage, entry.role) != ("sample", "tuned"):
            continue
        table = pq.read_table(
            store.folder(SampleSetRef(entry.digest)) / "samples.parquet",
            columns=["template", "prompt", "kind", "source", "status", "image"],
        )
        # Row by row, for all pictures of a run at once are many times those that are shown.
        for number, (template, source, kind, status) in enumerate(
            zip(*(table[name].to_pylist() for name in ("template", "source", "kind", "status")), strict=True)
        ):
            if status != "ok" or source != NOISE or kind == CLASS or template in found:
                continue
            if len(found) == PROMPTS_SHOWN:
                break
            png = table["image"][number].as_py()["bytes"]
            found[template] = (table["prompt"][number].as_py(), fitted(png, largest))
    return found


def _block(members: Sequence[Drawn], outcomes: Sequence[Outcome], labels: Labels, taken: str | None) -> Block:
    # A member that lost a prompt has another instead of it at its end: the fullest one tells the order.
    by_fullness = sorted(members, key=lambda member: len(member.prompts), reverse=True)
    templates = list(dict.fromkeys(template for one in by_fullness for template in one.prompts))
    shown = templates[:PROMPTS_SHOWN]
    rows = tuple(
        _row(member, outcomes[member.place], labels.lines(member.place), shown, taken) for member in members
    )
    return Block(tuple(_head(template, members) for template in shown), rows)


def _row(
    member: Drawn, outcome: Outcome, name: Sequence[str], templates: Sequence[str], taken: str | None
) -> Row:
    number = f"{member.place + 1}, to take" if outcome.name == taken else str(member.place + 1)
    pictures = (member.prompts.get(template) for template in templates)
    return Row(
        number,
        (*name, outcome.verdict or outcome.status),
        tuple(found[1] if found else None for found in pictures),
    )


def _head(template: str, members: Sequence[Drawn]) -> str:
    """Return a prompt as all of these members were told it; else with a mark for what differs."""
    told = {member.prompts[template][0] for member in members if template in member.prompts}
    return told.pop() if len(told) == 1 else template.replace("{subject}", "…")
