"""Task: cache."""

from prefect import task

from moongate.artifacts.refs import LatentSetRef
from moongate.artifacts.store import Obtained
from moongate.config import CacheConfig
from moongate.stages import cache as core
from tasks.policies import STAGE_POLICY, Terms, performed


@task(name="cache", task_run_name="cache {role} · {terms.subject}", **STAGE_POLICY)
def cache(role: str, config: CacheConfig, inputs: core.CacheInputs, terms: Terms) -> Obtained[LatentSetRef]:
    """Encode one image set to latents and text embeddings."""
    return performed(core.cache, config, inputs, terms)
