"""What a training run leaves beside its weights, as rows of tables."""

from __future__ import annotations

from moongate.training.fit import Fit


def step_rows(outcome: Fit) -> list[dict[str, object]]:
    """Return the rows of `train_steps.parquet`, one a step."""
    return [
        {
            "step": row.step,
            "loss": row.loss,
            "instance_loss": row.parts.get("instance"),
            "prior_loss": row.parts.get("prior"),
            "grad_norm": row.grad_norm,
            "status": "skipped" if row.fault else "ok",
            "fault": row.fault,
            "micro_batch": row.micro_batch,
            "learning_rate": row.learning_rate,
            "seconds": row.seconds,
        }
        for row in outcome.steps
    ]


def validation_rows(outcome: Fit) -> list[dict[str, object]]:
    """Return the rows of `validation.parquet`, one a validation; one of them is marked as chosen."""
    return [
        {"step": row.step, "validation_loss": row.loss, "chosen": row.step == outcome.chosen_step}
        for row in outcome.validations
    ]
