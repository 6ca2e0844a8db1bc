"""Diffusers' own train_dreambooth.py, run from wherever the user keeps it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

from benchmarks.speed.bench import Bench
from benchmarks.speed.racing import Done, Lap, Laps
from benchmarks.speed.rows import Row, compared
from moongate.artifacts.images import read_images
from moongate.errors import InputError

# The difference of two runs is free of what starting and ending cost.
_SHORT, _LONG = 2, 22
_MIXED = {"float32": "no", "bfloat16": "bf16"}


def script_steps(bench: Bench, script: Path, ours: dict[str, Laps]) -> Iterator[Row]:
    """Yield our step against the script's, in either precision.

    Args:
        bench: the model and the counts.
        script: the example script of diffusers.
        ours: the laps of our loop, as "ours <precision>".

    Raises:
        InputError: when the script fails; its own last words are shown.
    """
    folders = _written(bench)
    for precision, mixed in _MIXED.items():
        theirs = _difference(bench, script, folders, mixed)
        laps = Laps((theirs,) * len(ours[f"ours {precision}"].laps))
        row = compared(
            bench.subject("training"),
            f"DreamBooth step with prior, batch {bench.size.train_batch} + {bench.size.train_batch}, "
            f"diffusers' script, both in {precision}",
            "ms per step",
            1000.0,
            (f"moongate, {precision}", ours[f"ours {precision}"]),
            (f"{script.name}, {precision}", laps),
        )
        is_goal = bench.device.startswith("cuda") and precision == "bfloat16"
        yield row.aimed("ratio", "at least", 2.5) if is_goal else row


def _written(bench: Bench) -> tuple[Path, Path]:
    """Write both kinds of pictures as files, as the script wants them."""
    material, folders = bench.material, []
    for ref in (material.pictures, material.evaluation):
        folder = bench.scratch / f"script-{ref.digest[:8]}"
        folder.mkdir(exist_ok=True)
        for number, picture in enumerate(read_images(material.folder(ref))):
            (folder / f"{number:04d}.png").write_bytes(picture.png)
        folders.append(folder)
    return folders[0], folders[1]


def _difference(bench: Bench, script: Path, folders: tuple[Path, Path], mixed: str) -> Lap:
    short, long = (_seconds(bench, script, folders, mixed, steps) for steps in (_SHORT, _LONG))
    steps = _LONG - _SHORT
    return Lap(long - short, Done(steps, steps * bench.size.train_batch * 2), 0)


def _seconds(bench: Bench, script: Path, folders: tuple[Path, Path], mixed: str, steps: int) -> float:
    subject = bench.material.config.subject
    options = {
        "pretrained_model_name_or_path": bench.base.folder,
        "instance_data_dir": folders[0],
        "instance_prompt": subject.instance_text(""),
        "class_data_dir": folders[1],
        "class_prompt": subject.class_text(),
        "num_class_images": len(list(folders[1].iterdir())),
        "output_dir": bench.scratch / "script-output",
        "resolution": bench.base.resolution(),
        "train_batch_size": bench.size.train_batch,
        "max_train_steps": steps,
        "checkpointing_steps": 10**6,
        "learning_rate": 1e-6,
        "lr_warmup_steps": 0,
        "lr_scheduler": "constant",
        "mixed_precision": mixed,
        "prior_loss_weight": 1.0,
    }
    words = [f"--{name}={value}" for name, value in options.items()]
    command = [sys.executable, str(script), "--with_prior_preservation", *words]
    started = perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise InputError(
            "the peer's script failed",
            where=str(script),
            why=" | ".join(done.stderr.strip().splitlines()[-3:]),
            fix="give the script of the installed diffusers' own version, and install what it asks for",
        )
    return perf_counter() - started
