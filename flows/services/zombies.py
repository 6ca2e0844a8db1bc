"""The automation that marks flow runs as crashed when their process is gone.

A run that is killed together with its worker is otherwise shown as running for ever.
"""

from collections.abc import Iterable
from datetime import timedelta

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification

NAME = "moongate: runs without a heartbeat have crashed"
# Eight of our heartbeats: a native call that keeps Python from running delays some of them. And more than one
# of Prefect's own, of 180 s, so that a run whose process has none of our settings is not taken for dead.
SILENCE = timedelta(seconds=240)
# The names of the states that a flow run ends in here, besides those of Prefect.
_ENDINGS = ("Completed", "Failed", "Cancelled", "Crashed", "Degraded")


def watch_for_silence(client: SyncPrefectClient, flows: Iterable[str], silence: timedelta = SILENCE) -> None:
    """Let the server mark a run of these flows as crashed when its process no longer reports.

    An automation of an earlier version is brought up to date; one that is switched off stays off.

    Args:
        client: of the server.
        flows: the names of the flows; runs of others are not watched, for a server may be shared.
        silence: so long without a heartbeat, a run counts as dead.
    """
    wanted = _automation(sorted(set(flows)), silence)
    existing = client.read_automations_by_name(NAME)
    if not existing:
        client.create_automation(wanted)
    for found in existing:
        # Writing it makes the server forget whose silence it has begun to measure.
        if (found.trigger, found.actions) != (wanted.trigger, wanted.actions):
            current = wanted.model_copy(update={"enabled": found.enabled, "tags": found.tags})
            client.request(
                "PUT",
                "/automations/{id}",
                path_params={"id": found.id},
                json=current.model_dump(mode="json", exclude={"owner_resource"}),
            )


def _automation(flows: list[str], silence: timedelta) -> AutomationCore:
    reports = {f"prefect.flow-run.{name}" for name in ("heartbeat", *_ENDINGS)}
    trigger = EventTrigger(
        after={"prefect.flow-run.heartbeat"},
        expect=reports,
        match=ResourceSpecification({"prefect.resource.id": ["prefect.flow-run.*"]}),
        # By flow and not by tag: a deployment's tags reach neither the runs of a batch's members nor those of
        # a terminal, and one that did would make every task ask the server for a slot before it begins.
        match_related=ResourceSpecification(
            {"prefect.resource.role": ["flow"], "prefect.resource.name": flows},
        ),
        for_each={"prefect.resource.id"},
        posture=Posture.Proactive,
        threshold=1,
        within=silence,
    )
    message = f"No heartbeat for {silence.total_seconds():.0f} s: the process of this run is gone."
    crash = ChangeFlowRunState(state=StateType.CRASHED, message=message)
    return AutomationCore(name=NAME, trigger=trigger, actions=[crash])
