"""Metrics as pure functions on features and pictures: numpy in, numbers with a status out."""
