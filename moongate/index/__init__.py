"""The index: one static page over all runs of a store, with their pictures beside it."""
