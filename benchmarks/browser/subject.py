"""A subject with pictures like any other, and a stranger's idea of a file name and a caption."""

import json
import shutil
from pathlib import Path

MARK = "own"
"""Global variable and element id that would exist if a file's name or caption could act as markup."""

FILE_NAME = f"<img src=x onerror=window.{MARK}=1> **x** [a](javascript:alert(1)).png"
# The judges read no more than 32 tokens, and to their tokenizer most of this is letters.
CAPTION = f"a duck <b id={MARK}> | **b** www.a.de"


def write_subject(source: Path, folder: Path) -> Path:
    """Copy a folder of pictures, and give the first one a hostile name and caption; return the copy."""
    shutil.copytree(source, folder)
    metadata = folder / "metadata.jsonl"
    rows = [json.loads(line) for line in metadata.read_text(encoding="utf-8").splitlines()]
    (folder / rows[0]["file_name"]).rename(folder / FILE_NAME)
    rows[0] |= {"file_name": FILE_NAME, "text": CAPTION}
    metadata.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return folder
