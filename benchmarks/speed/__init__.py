"""How fast the pipeline is, beside what a user would run instead and beside what the machine allows."""
