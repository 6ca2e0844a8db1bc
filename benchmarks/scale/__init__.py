"""How many devices a night takes, and what limits first: a simulation over measured costs."""
