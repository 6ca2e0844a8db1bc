"""What a run shows of itself while it goes on, in any user interface: words, tables and light pictures."""
