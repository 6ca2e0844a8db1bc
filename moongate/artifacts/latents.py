"""Latent sets: VAE posteriors in safetensors shards, prompts and their embeddings, and a Parquet index.

Files of the artifact:

    index.parquet               one row a picture: its shard and row, its prompt and the embedding's row
    latents-00000.safetensors   mean and std, each (N, C, h, w) float32, NOT scaled for the UNet
    prompts.json                the distinct prompts, in the order of the embeddings
    text.safetensors            their embeddings by the base model, (P, L, D) float32
"""

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq

from moongate.artifacts.schemas import LATENTS
from moongate.artifacts.tables import write_table
from moongate.errors import StoreError

if TYPE_CHECKING:
    from torch import Tensor

INDEX_NAME = "index.parquet"
PROMPTS_NAME = "prompts.json"
TEXT_NAME = "text.safetensors"
_OPEN_SHARDS = 8


class LatentSet:
    """A latent set on disk. Rows are numbered like the pictures of the image set it was made from.

    Attributes:
        folder: the artifact's folder.
        image_ids: one a row.
        sha256s: digests of the pictures' PNG files, one a row.
        prompts: the prompt of each row.

    Raises:
        StoreError: when the folder holds no latent set.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if not (folder / INDEX_NAME).is_file():
            raise StoreError(
                "there is no latent set",
                where=str(folder),
                why=f"{INDEX_NAME} is absent",
                fix="give the folder of an artifact of the cache stage",
            )
        columns = pq.read_table(folder / INDEX_NAME).to_pydict()
        self.image_ids: tuple[str, ...] = tuple(columns["image_id"])
        self.sha256s: tuple[str, ...] = tuple(columns["sha256"])
        self.prompts: tuple[str, ...] = tuple(columns["prompt"])
        self._text_rows: list[int] = columns["text_row"]
        self._places = list(zip(columns["shard"], columns["row"], strict=True))
        self._open: dict[str, Any] = {}

    def __len__(self) -> int:
        return len(self.image_ids)

    def means(self, rows: Sequence[int]) -> "Tensor":
        """Return the posterior means of `rows`, (B, C, h, w) float32 on the CPU, unscaled."""
        return self._latents("mean", rows)

    def stds(self, rows: Sequence[int]) -> "Tensor":
        """Return the posterior standard deviations of `rows`, (B, C, h, w) float32 on the CPU, unscaled."""
        return self._latents("std", rows)

    def embeddings(self, rows: Sequence[int]) -> "Tensor":
        """Return the prompt embedding of each of `rows`, (B, L, D) float32 on the CPU."""
        return self._embeddings[[self._text_rows[row] for row in rows]]

    @property
    def distinct_prompts(self) -> tuple[str, ...]:
        """The distinct prompts, in the order of the stored embeddings."""
        return tuple(json.loads((self.folder / PROMPTS_NAME).read_text(encoding="utf-8")))

    @cached_property
    def _embeddings(self) -> "Tensor":
        from safetensors.torch import load_file

        return load_file(self.folder / TEXT_NAME)["embeddings"]

    def _latents(self, name: str, rows: Sequence[int]) -> "Tensor":
        import torch

        found: dict[int, Tensor] = {}
        for shard, members in self._by_shard(rows).items():
            stacked = self._shard(shard).get_slice(name)
            found |= {row: stacked[self._places[row][1]] for row in members}
        return torch.stack([found[row] for row in rows])

    def _shard(self, name: str) -> Any:
        """Return an open shard. Opening one takes longer than reading a row, so the last few stay open."""
        from safetensors import safe_open

        if name not in self._open:
            while len(self._open) >= _OPEN_SHARDS:
                self._open.pop(next(iter(self._open)))
            self._open[name] = safe_open(self.folder / name, framework="pt")
        return self._open[name]

    def _by_shard(self, rows: Sequence[int]) -> Mapping[str, list[int]]:
        members: dict[str, list[int]] = {}
        for row in rows:
            members.setdefault(self._places[row][0], []).append(row)
        return members


def write_prompts(folder: Path, prompts: Sequence[str], embeddings: "Tensor") -> None:
    """Write the distinct prompts and their embeddings, (P, L, D) float32."""
    from safetensors.torch import save_file

    (folder / PROMPTS_NAME).write_text(json.dumps(list(prompts), ensure_ascii=False), encoding="utf-8")
    save_file({"embeddings": embeddings.contiguous()}, folder / TEXT_NAME)


class LatentWriter:
    """Writes the latents of pictures as they come, and the index at the end; at most one shard is in memory.

    Args:
        folder: where to.
        shard_rows: latents per shard.
        prompts: the distinct prompts, in the order of their embeddings.
    """

    def __init__(self, folder: Path, shard_rows: int, prompts: Sequence[str]) -> None:
        self._folder = folder
        self._shard_rows = shard_rows
        self._text_rows = {prompt: row for row, prompt in enumerate(prompts)}
        self._index: list[dict[str, object]] = []
        self._pending: list[tuple[Tensor, Tensor]] = []
        self._shards = 0

    def add(self, image_id: str, sha256: str, prompt: str, mean: "Tensor", std: "Tensor") -> None:
        """Append one picture; `mean` and `std` are (C, h, w) float32, unscaled."""
        self._index.append(
            {
                "image_id": image_id,
                "sha256": sha256,
                "shard": self._shard_name(),
                "row": len(self._pending),
                "prompt": prompt,
                "text_row": self._text_rows[prompt],
            }
        )
        # Copies, for a row of a batch would keep the whole batch in memory.
        self._pending.append((mean.cpu().clone(), std.cpu().clone()))
        if len(self._pending) == self._shard_rows:
            self._write_shard()

    def finish(self, provenance: Mapping[str, str]) -> int:
        """Write what is left, and the index, `provenance` in its footer; return the number of pictures."""
        if self._pending:
            self._write_shard()
        write_table(self._folder / INDEX_NAME, self._index, LATENTS, provenance)
        return len(self._index)

    def _shard_name(self) -> str:
        return f"latents-{self._shards:05d}.safetensors"

    def _write_shard(self) -> None:
        import torch
        from safetensors.torch import save_file

        means, stds = (torch.stack(part) for part in zip(*self._pending, strict=True))
        save_file({"mean": means, "std": stds}, self._folder / self._shard_name())
        self._pending.clear()
        self._shards += 1
