"""The one training loop, its checkpoints and its weight average, for every method and for the toybox."""
