"""Numbers of an image, kept on disk under the content that they were computed from."""

from __future__ import annotations

import hashlib
import io
import json
import os
import time
import uuid
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from cohorts import BenchmarkError, ImageRecord

__all__ = ["FOLDER", "CacheKey", "CacheWarning", "FeatureCache"]

# Below the cache folder, beside what others keep there.
FOLDER = "features"

# Ends every entry, before the checksum; another format would have another mark.
MARK = b"SBF1"
CHECKSUM_SIZE = 16

# The time of an entry says when it was last used, to the day: one touch a day is enough.
TOUCH_AFTER_S = 86_400.0


class CacheWarning(UserWarning):
    """The cache cannot be written; what is computed now is computed again next time."""


class CacheKey(NamedTuple):
    """Which entry: the folder of one extractor in one version, and a SHA-256 within it."""

    group: str
    digest: str


# Without a bound: an entry is small, and a bound below the number of images would forget each
# before it is asked for again.
@cache
def _content_digest(path: Path, size: int, mtime_ns: int) -> str:  # noqa: ARG001  # they make the memo notice a changed file
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _digest(path: Path) -> str:
    try:
        status = path.stat()
    except OSError as error:
        raise BenchmarkError(
            f"The file {str(path)!r} cannot be read any more ({error.strerror}). Put it back and "
            "start again; finished cells are kept."
        ) from None
    return _content_digest(path, status.st_size, status.st_mtime_ns)


class FeatureCache:
    """One array per image and extractor setting, stored by content.

    The key hashes the bytes of the image and its masks, the pixel spacing, and every
    setting that changes the numbers, so that a moved file is found again and a changed
    one is not. An entry is a ``.npy`` file, followed by a checksum of its key and content.
    It is written under another name and renamed, and an entry whose checksum does not hold
    (torn by a power cut, or rotten) counts as absent: whatever happens, what is read is what
    was computed. Where the folder cannot be written, one `CacheWarning` says so and
    nothing more is stored.

    Parameters
    ----------
    directory : Path or None
        Where entries live, in ``features/<extractor>-v<version>/<aa>/<digest>.npy``; None
        computes everything anew and stores nothing.
    """

    def __init__(self, directory: Path | None) -> None:
        self.directory = directory
        self._writable = directory is not None

    def key(self, record: ImageRecord, *, extractor: str, settings: Mapping[str, Any]) -> CacheKey:
        """Return the key of one image under one extractor's settings.

        Parameters
        ----------
        record : ImageRecord
            The image.
        extractor : str
            Name of the extractor.
        settings : mapping
            Everything that changes the numbers; ``version`` is the extractor's.
        """
        content = {
            "image": _digest(record.path),
            "masks": [_digest(mask) for mask in record.masks],
            "spacing_mm": record.spacing_mm,
            "extractor": extractor,
            "settings": dict(settings),
        }
        digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
        # Quoted, because an extractor of somebody else's may be called anything.
        group = f"{quote(extractor, safe='')}-v{quote(str(settings.get('version', 0)), safe='')}"
        return CacheKey(group, digest)

    def load(self, key: CacheKey) -> NDArray[np.generic] | None:
        """Return the stored array, or None where there is none or it is damaged."""
        if self.directory is None:
            return None
        path = self._path(key)
        try:
            with path.open("rb") as stream:
                content = stream.read()
                last_used = os.fstat(stream.fileno()).st_mtime
        except OSError:
            return None
        values = _decode(content, key)
        with suppress(OSError):  # a cache that others own may be read all the same
            if values is None:
                path.unlink()
            elif time.time() - last_used > TOUCH_AFTER_S:
                os.utime(path)
        return values

    def store(self, key: CacheKey, values: NDArray[np.generic]) -> None:
        """Write the array, whole or not at all.

        Warns
        -----
        CacheWarning
            Once, if the folder cannot be written or the disk is full.
        """
        if not self._writable:
            return
        try:
            _write_whole(self._path(key), _encode(values, key))
        except OSError as error:
            self._writable = False
            warnings.warn(
                f"The feature cache {str(self.directory)!r} cannot be written "
                f"({error.strerror or error}): image features are computed, but not kept. Free "
                "disk space, or set SONOBENCH_CACHE to a folder that can be written.",
                CacheWarning,
                stacklevel=2,
            )

    def load_many(self, keys: Sequence[CacheKey]) -> dict[CacheKey, NDArray[np.generic]]:
        """Return what is stored of `keys`."""
        found = {key: self.load(key) for key in dict.fromkeys(keys)}
        return {key: values for key, values in found.items() if values is not None}

    def _path(self, key: CacheKey) -> Path:
        if self.directory is None:
            raise ValueError("A cache without a directory has no paths.")
        folder = self.directory / FOLDER / key.group / key.digest[:2]
        return folder / f"{key.digest}.npy"


def _encode(values: NDArray[np.generic], key: CacheKey) -> bytes:
    stream = io.BytesIO()
    np.save(stream, values, allow_pickle=False)
    payload = stream.getvalue()
    return payload + MARK + _checksum(payload, key)


def _decode(content: bytes, key: CacheKey) -> NDArray[np.generic] | None:
    """Return the array, or None if the content is not what was once written under the key."""
    end = len(content) - CHECKSUM_SIZE - len(MARK)
    payload, seal = content[: max(end, 0)], content[max(end, 0) :]
    if seal != MARK + _checksum(payload, key):
        return None
    try:
        values: NDArray[np.generic] = np.load(io.BytesIO(payload), allow_pickle=False)
    except ValueError:
        return None
    return values


def _checksum(payload: bytes, key: CacheKey) -> bytes:
    # The key goes in, so that an entry under a wrong name is not taken for another image's.
    named = hashlib.blake2b("/".join(key).encode(), digest_size=32).digest()
    return hashlib.blake2b(payload, key=named, digest_size=CHECKSUM_SIZE).digest()


def _write_whole(path: Path, content: bytes) -> None:
    """Write beside `path` and rename; not forced to the disk, as the checksum tells."""
    temporary = path.with_name(f"{path.stem}.{uuid.uuid4().hex}.tmp")
    try:
        with _open_new(temporary) as stream:
            stream.write(content)
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


def _open_new(path: Path) -> BinaryIO:
    try:
        return path.open("xb")
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("xb")
