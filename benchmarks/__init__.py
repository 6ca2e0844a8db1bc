"""The slow proofs: what the project claims of itself, measured. `make verify` runs them in sequence."""
