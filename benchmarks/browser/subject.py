"""A subject with pictures like any other, and a stranger's idea of a file name and a caption."""

import json
import shutil
from pathlib import Path

MARK = "strangers"
"""Global variable and element id that would exist if a file's name or caption could act as markup."""

FILE_NAME = f"<b id={MARK}>bold<b> **x** [a](javascript:alert(1)).png"
CAPTION = (
    f"a duck <img src=x onerror=window.{MARK}=1> **so** | [a](javascript:window.{MARK}=1) www.example.com"
)


def write_subject(source: Path, folder: Path) -> Path:
    """Copy a folder of pictures, and give the first one a hostile name and caption; return the copy."""
    shutil.copytree(source, folder)
    metadata = folder / "metadata.jsonl"
    rows = [json.loads(line) for line in metadata.read_text(encoding="utf-8").splitlines()]
    (folder / rows[0]["file_name"]).rename(folder / FILE_NAME)
    rows[0] |= {"file_name": FILE_NAME, "text": CAPTION}
    metadata.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return folder
