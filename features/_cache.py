"""Numbers of an image, kept on disk under the content that they were computed from."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cohorts import ImageRecord, write_atomically

__all__ = ["FeatureCache"]


@lru_cache(maxsize=65536)
def _content_digest(path: Path, size: int, mtime_ns: int) -> str:  # noqa: ARG001  # they make the memo notice a changed file
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _digest(path: Path) -> str:
    status = path.stat()
    return _content_digest(path, status.st_size, status.st_mtime_ns)


class FeatureCache:
    """One array per image and extractor setting, stored by content.

    The key hashes the bytes of the image and its masks, the pixel spacing, and every
    setting that changes the numbers, so that a moved file is found again and a changed
    one is not. Entries are written to a temporary file and renamed: a stop at any moment
    leaves either no entry or a whole one.

    Parameters
    ----------
    directory : Path or None
        Where entries live; None computes everything anew and stores nothing.
    """

    def __init__(self, directory: Path | None) -> None:
        self.directory = directory

    def key(self, record: ImageRecord, *, extractor: str, settings: Mapping[str, Any]) -> str:
        """Return the hexadecimal key of one image under one extractor's settings."""
        content = {
            "image": _digest(record.path),
            "masks": [_digest(mask) for mask in record.masks],
            "spacing_mm": record.spacing_mm,
            "extractor": extractor,
            "settings": dict(settings),
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def load(self, key: str) -> NDArray[np.generic] | None:
        """Return the stored array, or None where there is none or it cannot be read."""
        if self.directory is None:
            return None
        path = self._path(key)
        try:
            stored: NDArray[np.generic] = np.load(path, allow_pickle=False)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, EOFError):
            # A damaged entry is worth less than the seconds to compute it again.
            path.unlink(missing_ok=True)
            return None
        return stored

    def store(self, key: str, values: NDArray[np.generic]) -> None:
        """Write the array atomically."""
        if self.directory is None:
            return
        content = io.BytesIO()
        np.save(content, values, allow_pickle=False)
        write_atomically(self._path(key), content.getvalue())

    def load_many(self, keys: Sequence[str]) -> dict[str, NDArray[np.generic]]:
        """Return what is stored of `keys`."""
        found = {key: self.load(key) for key in dict.fromkeys(keys)}
        return {key: values for key, values in found.items() if values is not None}

    def _path(self, key: str) -> Path:
        if self.directory is None:
            raise ValueError("A cache without a directory has no paths.")
        return self.directory / "features" / key[:2] / f"{key}.npy"
