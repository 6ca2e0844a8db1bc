"""Batched drawing: one loop for class pictures, prompts x seeds, and inverted latents."""
