from pathlib import Path

from benchmarks.hostile.__main__ import HOSTILE, MEMORY
from benchmarks.hostile.section import section
from moongate.artifacts.tables import write_table


def test_every_input_has_its_line_under_its_group_and_its_message_is_no_markup(tmp_path: Path) -> None:
    row = {"group": "names", "verdict": "rejected", "expected": "yes"}
    rows = [
        row | {"input": "a pipe | in a name", "message": "<b>" + "x" * 500},
        row | {"input": "a link", "message": "leads out", "group": "links", "expected": "no"},
    ]
    write_table(tmp_path / "hostile.parquet", rows, HOSTILE)
    peak = {"kind": "PNG", "pixels": 2_000_000, "file_bytes": 10, "growth_bytes": 30_000_000}
    write_table(tmp_path / "hostile_memory.parquet", [peak], MEMORY)
    lines = list(section(tmp_path))
    assert lines[0].startswith("2 inputs; 1 got")
    assert lines.index("### Names") < lines.index("### Links")
    assert r"| a pipe \| in a name | rejected | \<b\>" + "x" * 157 + " ... |" in lines
    assert lines[-1] == "| PNG | 2 | 29 | 15.0 |"
