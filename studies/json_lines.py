"""Records as JSON lines, compressed once they are published."""

import json
import lzma
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class JsonLines:
    """JSON objects, one a line, in `name.jsonl` or compressed in `name.jsonl.xz`.

    `append` writes to the first file, `pack` moves all lines to the second. Both are read, the
    compressed one first. A half-written last line, left by a killed process, is not read.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.packed = path, path.with_name(f"{path.name}.xz")

    def read(self) -> list[dict[str, Any]]:
        """All whole lines; none where there is no file."""
        return [json.loads(line) for line in (*self._packed_lines(), *self._plain_lines())]

    def append(self, record: Mapping[str, Any]) -> None:
        """Write one line and flush it; a half-written line before it is cut off first."""
        if self.path.exists():
            os.truncate(self.path, sum(map(len, self._plain_lines())))
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record, ensure_ascii=False) + "\n")

    def pack(self) -> None:
        """Compress all lines. A kill leaves every line in one of the two files or in both."""
        if not (lines := self._plain_lines()):
            return
        draft = self.packed.with_suffix(".tmp")
        draft.write_bytes(lzma.compress(b"".join([*self._packed_lines(), *lines])))
        draft.replace(self.packed)
        self.path.unlink()

    def clear(self) -> None:
        """Remove both files."""
        for path in (self.path, self.packed):
            path.unlink(missing_ok=True)

    def _plain_lines(self) -> list[bytes]:
        if not self.path.exists():
            return []
        lines = self.path.read_bytes().splitlines(keepends=True)
        return [line for line in lines if line.endswith(b"\n")]

    def _packed_lines(self) -> list[bytes]:
        if not self.packed.exists():
            return []
        return lzma.decompress(self.packed.read_bytes()).splitlines(keepends=True)
