"""The record of a campaign that goes on, written after every member: a stopped one leaves what is done."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from moongate.artifacts.locks import exclusive
from moongate.artifacts.store import Store
from moongate.campaign.outcomes import Outcome
from moongate.campaign.recommendation import Recommendation
from moongate.campaign.record import Campaign, campaign_lock, write_campaign
from moongate.errors import StoreError

QUICK_S, PAUSE = 0.5, 20.0
"""What is written more slowly than this is written again after so many times as long."""

_log = logging.getLogger(__name__)


class Journal:
    """Notes what comes of a campaign. A note that cannot be written costs no member that is still to come."""

    def __init__(self, store: Store, campaign: Campaign) -> None:
        self._store = store
        self._next_at = 0.0
        self.campaign = campaign

    def add(self, outcome: Outcome) -> None:
        """Note what came of the next member.

        Where very many end one after another, not each is written at once: a record of thousands takes
        seconds, and the members wait for it.
        """
        self.campaign = replace(self.campaign, outcomes=(*self.campaign.outcomes, outcome))
        if (begun := time.monotonic()) >= self._next_at:
            self._note(self.campaign)
            took = time.monotonic() - begun
            self._next_at = begun + PAUSE * took if took > QUICK_S else 0.0

    def recommend(self, recommendation: Recommendation) -> None:
        """Note which setting to take, or what a second seed says of it."""
        self._note(replace(self.campaign, recommendation=recommendation))

    def finish(self) -> None:
        """Note that everything is done.

        Raises:
            StoreError: when the disk is full.
        """
        self.campaign = replace(self.campaign, state="finished")
        write_campaign(self._store, self.campaign)

    def interrupt(self) -> None:
        """Note that no more is going to be done."""
        self._note(replace(self.campaign, state="interrupted"))

    def _note(self, campaign: Campaign) -> None:
        self.campaign = campaign
        try:
            write_campaign(self._store, campaign)
        except (StoreError, OSError) as fault:
            _log.warning("campaign %s could not be noted: %s", campaign.campaign_id, fault)


@contextmanager
def keeping(store: Store, campaign: Campaign) -> Iterator[Journal]:
    """Yield the journal of a campaign; at the end it says finished, or interrupted whatever ended it.

    A lock is held meanwhile, which dies with the process: by it a killed campaign is known.

    Raises:
        StoreError: when the disk is full at the end.
    """
    journal = Journal(store, campaign)
    with exclusive(campaign_lock(store.root, campaign.campaign_id)):
        try:
            yield journal
        except BaseException:
            journal.interrupt()
            raise
        journal.finish()
