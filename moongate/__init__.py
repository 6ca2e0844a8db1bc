"""Moongate: personalize diffusion models and judge the result."""

__version__ = "0.1.0"
