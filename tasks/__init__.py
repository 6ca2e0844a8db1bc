"""One thin Prefect task per stage: policy, then one call into the core."""
