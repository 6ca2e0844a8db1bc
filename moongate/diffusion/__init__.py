"""The numerics of diffusion as pure functions, with the papers' names: torch and nothing else."""
