"""Task: a shard of a stage, wherever there is a free device."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from prefect import task

from moongate.artifacts.shards import Shard, ShardDone
from moongate.artifacts.store import Store
from moongate.stages import evaluate, invert, prior, sample
from moongate.stages.context import StageContext
from tasks.labels import label_with_stage
from tasks.policies import STAGE_POLICY, Terms, at_work

_Core = Callable[[Any, Any, Shard, StageContext], ShardDone]
_SHARDED = (prior, invert, sample, evaluate)

SHARDS: Mapping[str, _Core] = MappingProxyType({module.STAGE: module.do_shard for module in _SHARDED})
NUM_ITEMS: Mapping[str, Callable[[Any, Any, Store], int]] = MappingProxyType(
    {module.STAGE: module.num_items for module in _SHARDED}
)


@task(name="shard", task_run_name="{verb} {role}, shard {part}", **STAGE_POLICY)
def shard(verb: str, role: str, config: Any, inputs: Any, part: Shard, terms: Terms) -> ShardDone:
    """Compute a shard of a stage's batches; the stage's own task then finds them finished."""
    label_with_stage(verb)
    with terms.arrived(), at_work(terms, f"watchdog-{part.index}-of-{part.count}.txt") as (context, _tenant):
        return SHARDS[verb](config, inputs, part, context)
