"""Several processes at once on one store."""
