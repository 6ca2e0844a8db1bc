"""Faults that are really made, each with the message, what was lost, and how it goes on."""
