"""A real browser looks at what a real Prefect server shows of a real run."""
