"""`kill -9` at seeded moments of every stage of a tiny run, and the same command again each time."""
