"""Trained networks and their features on disk, so that each is trained once in a run."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cohorts import Note, write_atomically
from features import CacheKey, FeatureCache
from models.networks._classifiers import FusionNetworkClassifier
from models.networks._persistence import load_network, save_network

__all__ = ["NetworkFacts", "NetworkMemory"]

# Below the folder: what is known of each network, and its tensors while they are needed.
ABOUT, NETWORK = "about.json", "network"


@dataclass(frozen=True)
class NetworkFacts:
    """What is said of a network without looking into it.

    Attributes
    ----------
    weights : str
        Where the weights that its training started from came from.
    notes : tuple of Note
        What the page must say.
    """

    weights: str
    notes: tuple[Note, ...]

    @classmethod
    def of(cls, network: FusionNetworkClassifier) -> NetworkFacts:
        """Return the facts of a fitted network."""
        return cls(network.weights_, network.notes_)


class NetworkMemory:
    """Keeps networks under the digest of all that shaped them.

    Whatever is damaged counts as absent, and is made again. Everything is written under
    another name and renamed.

    Parameters
    ----------
    folder : Path or None
        Made with the first entry; where None, nothing is kept.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        # Arrays have a checksum there.
        self._features = FeatureCache(folder)

    def facts(self, key: str) -> NetworkFacts | None:
        """Return what is known of a network, or None if it was never trained here."""
        about = self._about(key)
        return None if about is None else _facts(about)

    def keep(self, key: str, network: FusionNetworkClassifier) -> None:
        """Keep a trained network.

        Raises
        ------
        ValueError
            If it started from weights of another origin than those that were trained before.
        """
        if self.folder is None:
            return
        self._check_origin(self.folder, network.weights_)
        entry = self.folder / key
        entry.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(dir=entry, suffix=".tmp"))
        try:
            save_network(network, made)
            files = {path.name: _digest(path) for path in made.iterdir()}
            shutil.rmtree(entry / NETWORK, ignore_errors=True)
            made.replace(entry / NETWORK)
        finally:
            shutil.rmtree(made, ignore_errors=True)
        notes = [[note.code, note.severity, note.text] for note in network.notes_]
        about = {"weights": network.weights_, "notes": notes, "files": files}
        write_atomically(entry / ABOUT, json.dumps(about, indent=1).encode("utf-8"))

    def network(self, key: str) -> FusionNetworkClassifier | None:
        """Return a trained network, or None where it is not kept or not whole."""
        about = self._about(key)
        if about is None or self.folder is None:
            return None
        folder = self.folder / key / NETWORK
        try:
            if {path.name: _digest(path) for path in folder.iterdir()} != about["files"]:
                return None
        except OSError:
            return None
        return load_network(folder)

    def forget_network(self, key: str) -> None:
        """Drop the tensors of a network whose features are all that is still needed."""
        if self.folder is not None:
            shutil.rmtree(self.folder / key / NETWORK, ignore_errors=True)

    def features(self, key: str, cases: str) -> NDArray[np.float32] | None:
        """Return the features that a network has of these cases, or None."""
        stored = self._features.load(CacheKey(f"network-{key}", cases))
        return None if stored is None else stored.astype(np.float32)

    def keep_features(self, key: str, cases: str, values: NDArray[np.float32]) -> None:
        """Keep the features that a network has of these cases."""
        self._features.store(CacheKey(f"network-{key}", cases), values)

    def _about(self, key: str) -> dict[str, Any] | None:
        if self.folder is None:
            return None
        with suppress(OSError, ValueError, TypeError, KeyError):
            about: dict[str, Any] = json.loads((self.folder / key / ABOUT).read_text("utf-8"))
            # Looked at now, so that a damaged entry is noticed before it is relied upon.
            _facts(about), dict(about["files"])
            return about
        return None

    def _check_origin(self, folder: Path, weights: str) -> None:
        keys = [path.name for path in folder.iterdir()] if folder.is_dir() else []
        others = {facts.weights for key in keys if (facts := self.facts(key)) is not None}
        if others - {weights}:
            raise ValueError(
                "Networks of this run started from image weights of different origin "
                f"({', '.join(sorted({weights, *others}))}). Name a weights file, and start in a "
                "new folder."
            )


def _facts(about: dict[str, Any]) -> NetworkFacts:
    return NetworkFacts(str(about["weights"]), tuple(Note(*note) for note in about["notes"]))


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
