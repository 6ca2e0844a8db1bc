"""The declared schema and grain of every table.

A stage writes its own tables without the two columns that only a run knows; `Table.of_run` puts `run_id` and
`subject` in front when a run records them. Raise a table's version whenever its columns change. A value that
can be missing stands beside a `status` column or is documented as null; NaN and infinity are never stored.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import pyarrow as pa

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])

# Columns that say how long something took; nothing else may differ between two builds of one recipe.
TIME_COLUMNS = frozenset({"seconds"})

_TEXT = pa.string()
_COUNT = pa.int64()
_REAL = pa.float64()
_FLAG = pa.bool_()


def _required(**columns: pa.DataType) -> list[pa.Field]:
    return [pa.field(name, kind, nullable=False) for name, kind in columns.items()]


def _pictures(*names: str) -> list[pa.Field]:
    # A reader of Hugging Face features takes only a nullable field for a picture, null or never null.
    return [pa.field(name, IMAGE) for name in names]


def _optional(**columns: pa.DataType) -> list[pa.Field]:
    return [pa.field(name, kind) for name, kind in columns.items()]


def _text_columns(*names: str) -> list[pa.Field]:
    return _required(**dict.fromkeys(names, _TEXT))


_RUN_COLUMNS = ("run_id", "subject")


@dataclass(frozen=True)
class Table:
    """One table: its name, the version of its columns, what one row is, and the columns.

    Attributes:
        name: folder under `tables/`.
        version: raised when the columns change.
        grain: what one row stands for.
        schema: the columns in order; a column is nullable only where a value may be missing.
        may_lack: the picture columns that may be null.
    """

    name: str
    version: int
    grain: str
    schema: pa.Schema
    may_lack: frozenset[str] = frozenset()

    @property
    def image_columns(self) -> tuple[str, ...]:
        """The columns that hold pictures."""
        return tuple(field.name for field in self.schema if field.type == IMAGE)

    def of_run(self, *more: str) -> "Table":
        """Return the table with `run_id`, `subject` and `more` in front, which only a run knows."""
        columns = [*_text_columns(*_RUN_COLUMNS, *more), *self.schema]
        return replace(self, grain=" x ".join(("run", *more, self.grain)), schema=pa.schema(columns))


IMAGES = Table(
    "images",
    1,
    "picture of an image set",
    pa.schema(
        [
            *_required(
                image_id=_TEXT, file_name=_TEXT, text=_TEXT, sha256=_TEXT, width=_COUNT, height=_COUNT
            ),
            *_required(extra=_TEXT),
            *_pictures("image"),
        ]
    ),
)

INPUTS = Table(
    "inputs",
    3,
    "file or metadata row offered to ingest",
    pa.schema(
        [
            *_required(file_name=_TEXT),
            *_optional(line=_COUNT),
            # accepted, rejected, companion (named by a metadata column), ignored (not a picture)
            *_required(verdict=_TEXT, reason=_TEXT, hint=_TEXT, notes=_TEXT, treatments=_TEXT),
            *_optional(image_id=_TEXT, text=_TEXT, caption_tokens=_COUNT),
            *_optional(format=_TEXT, mode=_TEXT, width=_COUNT, height=_COUNT),
            *_optional(bytes=_COUNT, sha256=_TEXT),
        ]
    ),
)

LATENTS = Table(
    "index",
    1,
    "encoded picture of an image set",
    pa.schema(
        # shard is a file of the artifact and row a row of its tensors; text_row is one of the embeddings'
        _required(image_id=_TEXT, sha256=_TEXT, shard=_TEXT, row=_COUNT, prompt=_TEXT, text_row=_COUNT)
    ),
)

LEFT_OUT = Table(
    "left_out",
    1,
    "item that could not be computed",
    # the artifact has no such table while all of its items are sound; status as in moongate.bad_items
    pa.schema(_text_columns("item", "status", "reason")),
)

TRAIN_STEPS = Table(
    "train_steps",
    2,
    "optimizer step",
    pa.schema(
        [
            # losses and norm are null where status is "skipped": the fault says what was not finite, and of
            # which pictures; the weights did not move
            *_required(step=_COUNT, status=_TEXT, fault=_TEXT),
            *_optional(loss=_REAL, instance_loss=_REAL, prior_loss=_REAL, grad_norm=_REAL),
            # micro_batch: slots at once; it becomes smaller in the step in which memory runs out
            *_required(learning_rate=_REAL, micro_batch=_COUNT, seconds=_REAL),
        ]
    ),
)

VALIDATION = Table(
    "validation",
    1,
    "validated step",
    pa.schema(_required(step=_COUNT, validation_loss=_REAL, chosen=_FLAG)),
)

INVERSIONS = Table(
    "inversions",
    2,
    "evaluation picture x method x model",
    pa.schema(
        [
            # the method is plain or fixed_point, the model base or tuned
            *_required(image_id=_TEXT, file_name=_TEXT, text=_TEXT, method=_TEXT, model=_TEXT, steps=_COUNT),
            # null together with status "identical" when the reconstruction equals the original, and with
            # "not_finite" or "lost" (and a reason) when the picture could not be inverted
            *_optional(psnr_db=_REAL, ssim=_REAL, floor_psnr_db=_REAL, floor_ssim=_REAL),
            *_required(status=_TEXT, reason=_TEXT),
            # of the refinement: the largest relative residual of any step, and the mean number per step
            *_optional(residual=_REAL, iterations=_REAL),
            # unet_evals: to invert the picture; to draw it again takes `steps` more
            *_required(fell_back=_FLAG, unet_evals=_COUNT),
            *_pictures("original", "floor", "reconstruction"),
        ]
    ),
    may_lack=frozenset({"floor", "reconstruction"}),
)

SAMPLES = Table(
    "samples",
    2,
    "drawn image",
    pa.schema(
        [
            *_required(
                sample_id=_TEXT, model=_TEXT, prompt_id=_TEXT, prompt=_TEXT, template=_TEXT, kind=_TEXT
            ),
            *_required(negative_prompt=_TEXT, seed=_COUNT, guidance=_REAL, guidance_rescale=_REAL),
            *_required(guidance_start=_REAL, guidance_stop=_REAL, steps=_COUNT, sampler=_TEXT, eta=_REAL),
            # source: noise, or inversion:<image_id>
            *_required(source=_TEXT),
            # what the prompt asked for; null where it leaves it open
            *_optional(object=_TEXT, colour=_TEXT, scene=_TEXT, accessory=_TEXT),
            *_optional(relation=_TEXT, pattern=_TEXT, size=_TEXT),
            # image is null where status is "not_finite" or "too_long": the reason says why it was not drawn
            *_text_columns("status", "reason"),
            *_pictures("image"),
        ]
    ),
    may_lack=frozenset({"image"}),
)

METRICS = Table(
    "metrics",
    2,
    "metric x model x picture (prompt x seed for a drawn one)",
    pa.schema(
        [
            # one moongate.metrics.rows.MetricRow; prompt and seed are null for a real picture
            *_required(metric=_TEXT, model=_TEXT, item_id=_TEXT),
            *_optional(prompt_id=_TEXT, seed=_COUNT, value=_REAL),
            *_required(status=_TEXT, reason=_TEXT),
        ]
    ),
)

SUMMARY = Table(
    "summary",
    2,
    "metric x model",
    pa.schema(
        [
            # one moongate.metrics.rows.SummaryRow
            *_required(metric=_TEXT, model=_TEXT),
            *_optional(value=_REAL, low=_REAL, high=_REAL),
            *_required(n=_COUNT, status=_TEXT, direction=_TEXT, unit=_TEXT, num_units=_COUNT, interval=_TEXT),
            *_required(lost=_COUNT),
        ]
    ),
)

RUNS = Table(
    "runs",
    3,
    "run",
    pa.schema(
        [
            *_text_columns(*_RUN_COLUMNS),
            *_required(base=_TEXT, base_digest=_TEXT, method=_TEXT, seed=_COUNT, config_json=_TEXT),
            # status: completed, failed (with its error) or interrupted
            *_required(versions=_TEXT, started_utc=_TEXT, ended_utc=_TEXT, wall_s=_REAL, status=_TEXT),
            *_optional(error=_TEXT),
            # verdict: good, underfit, overfit, collapsed or unknown; null when the run was not evaluated
            *_optional(verdict=_TEXT, verdict_reason=_TEXT),
            # until: the last stage asked for; parent, from_stage: the run that this one repeats, and whence
            *_required(until=_TEXT),
            *_optional(parent=_TEXT, from_stage=_TEXT),
            # lost: items of the last attempt's stages that could not be computed and were left out
            *_required(unet_evals=_COUNT, lost=_COUNT),
        ]
    ),
)

STAGES = Table(
    "stages",
    2,
    "run x stage instance x attempt",
    pa.schema(
        [
            *_text_columns(*_RUN_COLUMNS),
            # role tells apart the instances of one stage, such as ingest of training and of held-out pictures
            *_required(stage=_TEXT, role=_TEXT, attempt=_COUNT, digest=_TEXT, cached=_FLAG, wall_s=_REAL),
            *_required(items=_COUNT, unet_evals=_COUNT, peak_memory_bytes=_COUNT, device=_TEXT),
            *_required(lost=_COUNT),
            # leased: which device of which host was held meanwhile; null for none, as for what is cached
            *_optional(leased=_TEXT),
        ]
    ),
)

CAMPAIGNS = Table(
    "campaigns",
    2,
    "campaign x run",
    pa.schema(
        [
            # kind: batch (a member is a subject) or sweep (a member is a setting); role: member, or
            # confirmation: the recommended setting's run with the second seed
            *_required(campaign_id=_TEXT, kind=_TEXT, role=_TEXT, name=_TEXT, subject=_TEXT, overrides=_TEXT),
            *_required(seed=_COUNT),
            # run_id is null where no run was begun, and the verdict where none was evaluated
            *_optional(run_id=_TEXT),
            *_required(status=_TEXT),
            *_optional(verdict=_TEXT, reason=_TEXT),
            # shares, as in moongate.campaign.outcomes
            *_optional(fidelity=_REAL, prompt_fidelity=_REAL, class_drift=_REAL),
            *_required(wall_s=_REAL, built=_COUNT),
            *_optional(error=_TEXT),
            # ends of the intervals, also shares
            *_optional(fidelity_low=_REAL, fidelity_high=_REAL),
            *_optional(prompt_fidelity_low=_REAL, prompt_fidelity_high=_REAL),
            *_optional(train_steps=_COUNT, kept_step=_COUNT, build_s=_REAL),
            # the same in two rows that are one result under two names
            *_optional(result=_TEXT),
        ]
    ),
)

TABLES: Mapping[str, Table] = {
    table.name: table
    for table in (
        RUNS,
        STAGES,
        CAMPAIGNS,
        # role: train, holdout or evaluation; files of two folders may have one name
        INPUTS.of_run("role"),
        *(part.of_run() for part in (TRAIN_STEPS, VALIDATION, INVERSIONS, SAMPLES, METRICS, SUMMARY)),
    )
}
