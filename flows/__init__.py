"""Order and fan-out: flows that read as a sentence, and the `moongate` command."""
