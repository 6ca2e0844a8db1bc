"""Where the work of a flow is done: here, or on the workers of a Dask or Ray cluster that see the store."""
