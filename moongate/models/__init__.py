"""Pretrained parts: where they come from, how they are loaded, asked and saved."""
