"""References, content addresses, the store, and the files that artifacts are made of."""
