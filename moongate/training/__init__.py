"""The one training loop, its checkpoints and its weight average; every method and the toybox's own models
use it.
"""
