"""Outcomes as tests need them."""

from typing import Any

from moongate.campaign.outcomes import Outcome


def outcome(name: str, fidelity: float | None, prompt: float | None, verdict: str, **more: Any) -> Outcome:
    """A completed run with these shares."""
    values: dict[str, Any] = {
        "subject": "duck",
        "overrides": name,
        "seed": 0,
        "run_id": None,
        "status": "completed",
        "reason": "",
        "class_drift": 0.1,
        "wall_s": 1.0,
        "built": 3,
        "error": "",
    }
    return Outcome(name=name, fidelity=fidelity, prompt_fidelity=prompt, verdict=verdict, **values | more)
