"""Batches and sweeps as the page shows them."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from moongate.campaign.labels import labels_of, numbered, separate_settings
from moongate.campaign.recommendation import Recommendation
from moongate.campaign.record import Campaign, campaign_folder
from moongate.campaign.selection import featured
from moongate.config import GateConfig
from moongate.index.rows import SHORT_ID, day_and_time
from moongate.index.shapes import Plot, Standing, plot
from moongate.index.views import CampaignView, Link, MemberRow, Membership
from moongate.report.numbers import percent
from moongate.report.wording import sentence
from moongate.runs import RunRecord

NUMBERED = 30
"""Marks of one plot; more numbers would not be read."""


def campaign_view(root: Path, campaign: Campaign, known: Mapping[str, RunRecord]) -> CampaignView:
    """Word a campaign. `known` are the runs on the page, by id."""
    best, labels = campaign.recommendation, labels_of(campaign.outcomes)
    samples = campaign_folder(root, campaign.campaign_id) / "samples.png"
    subjects = sorted({one.subject for one in campaign.outcomes})
    of = subjects[0] if campaign.kind == "sweep" and subjects else f"{len(campaign.outcomes)} subjects"
    return CampaignView(
        campaign_id=campaign.campaign_id,
        title=f"{campaign.kind.capitalize()} of {of}",
        when=_when(campaign.campaign_id),
        summary=sentence(campaign.summary),
        recommendation=_advice(campaign, best) if best else "",
        confirmation=sentence(best.confirmation) if best else "",
        plot=_plot(campaign, known),
        plot_alt=_plot_words(campaign),
        samples=samples.relative_to(root).as_posix() if samples.is_file() else "",
        members=tuple(
            _member(campaign, place, labels.lines(place), known) for place in range(len(campaign.outcomes))
        ),
    )


def memberships(campaigns: Sequence[Campaign]) -> dict[str, tuple[Membership, ...]]:
    """Return, of each run, the campaigns that it was a member of."""
    found: dict[str, list[Membership]] = defaultdict(list)
    for campaign in campaigns:
        link = Link(f"{campaign.kind} {campaign.campaign_id[-SHORT_ID:]}", f"#{campaign.campaign_id}")
        for one in campaign.outcomes:
            if one.run_id is not None:
                found[one.run_id].append(Membership(link, separate_settings(one.overrides)))
    return {run_id: tuple(of_run) for run_id, of_run in found.items()}


def _when(campaign_id: str) -> str:
    """Return the time that an id tells, or nothing when it tells none."""
    stamp = campaign_id.partition("-")[2].rpartition("-")[0]
    try:
        return day_and_time(datetime.strptime(stamp, "%Y%m%d-%H%M%S"))
    except ValueError:
        return ""


def _advice(campaign: Campaign, best: Recommendation) -> str:
    reason = sentence(best.reason)
    return f"Take {numbered(campaign.outcomes, best.outcome)}: {reason}" if best.good else reason


def _plot(campaign: Campaign, known: Mapping[str, RunRecord]) -> Plot | None:
    labels = labels_of(campaign.outcomes)
    measured = [
        (place, one, one.fidelities)
        for place, one in enumerate(campaign.outcomes)
        if one.fidelities is not None
    ]
    runs = (known.get(one.run_id or "") for one in campaign.outcomes)
    gate = next((run.config.gate for run in runs if run is not None), None)
    shown = featured(
        [one for _, one, _ in measured], campaign.taken, gate or GateConfig(), campaign.front, NUMBERED
    )
    return plot(
        [Standing(place + 1, labels.name(place), at) for place, _, at in measured],
        {measured[index][0] + 1 for index in shown},
        [one.fidelities for one in campaign.front if one.fidelities is not None],
        campaign.outcomes.index(campaign.taken) + 1 if campaign.taken in campaign.outcomes else None,
        (gate.min_fidelity, gate.min_prompt_fidelity) if gate else None,
    )


def _plot_words(campaign: Campaign) -> str:
    front = ", ".join(numbered(campaign.outcomes, one) for one in campaign.front[:NUMBERED])
    unbeaten = f" No run beats: {front}." if front else ""
    return f"Subject fidelity across, prompt fidelity kept up, a numbered mark a run.{unbeaten}"


def _member(
    campaign: Campaign, place: int, names: tuple[str, ...], known: Mapping[str, RunRecord]
) -> MemberRow:
    one = campaign.outcomes[place]
    return MemberRow(
        number=place + 1,
        names=names,
        run=f"#{one.run_id}" if one.run_id in known else "",
        badge=one.verdict if one.verdict and not one.failed else one.status,
        reason=sentence(one.reason) if one.reason else "",
        fidelity=percent(one.fidelity),
        prompt_fidelity=percent(one.prompt_fidelity),
        error=one.error.strip().splitlines()[0] if one.error.strip() else "",
        is_chosen=one == campaign.taken,
    )
