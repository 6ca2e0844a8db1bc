"""Changes, one at a time, and which stages each of them makes stale."""
