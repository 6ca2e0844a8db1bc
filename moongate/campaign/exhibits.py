"""What a finished batch or sweep shows: a table of its runs, both fidelities, samples, and what to take."""

from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from moongate.campaign.outcomes import Outcome
from moongate.campaign.record import FIDELITY_PLOT, SAMPLES_SHEET, Campaign, Kind
from moongate.exhibits.kinds import Exhibit, Picture, Table, Words
from moongate.exhibits.light import light_picture
from moongate.imagefolder.verdicts import printable
from moongate.markdown import code, escaped
from moongate.report.numbers import percent, seconds


def of_campaign(campaign: Campaign, folder: Path) -> Iterator[Exhibit]:
    """Yield what a campaign shows, from what it holds and has written to `folder`."""
    yield Words("result", campaign.summary, _page(campaign, folder))
    yield Table(
        "runs", campaign.summary, tuple(_row(campaign.kind, outcome) for outcome in campaign.outcomes)
    )
    if (plot := folder / FIDELITY_PLOT).is_file():
        yield Picture("fidelity", "Subject fidelity against prompt fidelity", plot.read_bytes(), "image/png")
    if (sheet := folder / SAMPLES_SHEET).exists():
        with Image.open(sheet) as opened:
            yield light_picture("samples", "Samples of every run", opened)


def _page(campaign: Campaign, folder: Path) -> str:
    lines = [f"# {escaped(campaign.summary)}"]
    if (recommended := campaign.recommendation) is not None:
        taken = f"**Take {escaped(recommended.outcome.name)}:** " if recommended.good else ""
        lines.append(f"{taken}{escaped(recommended.reason)}")
        lines.append(escaped(recommended.confirmation))
    lines += map(escaped, campaign.remarks)
    lines += [f"**{escaped(one.name)}** failed: {escaped(printable(one.error))}" for one in campaign.failed]
    lines.append(f"**Files:** {code(str(folder.resolve()))}")
    return "\n\n".join(filter(None, lines))


def _row(kind: Kind, outcome: Outcome) -> dict[str, str]:
    return {
        "subject" if kind == "batch" else "settings": outcome.name,
        "subject fidelity": percent(outcome.fidelity),
        "prompt fidelity": percent(outcome.prompt_fidelity),
        "class drift": percent(outcome.class_drift),
        "verdict": outcome.verdict or outcome.status,
        "built": str(outcome.built),
        "time": seconds(outcome.wall_s),
        "run": outcome.run_id or "",
    }
