"""Where the weights of a backbone come from: the hub, a file, or a network of a run."""

from __future__ import annotations

import hashlib
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import urlsplit

import safetensors.torch
import timm
import torch

from cohorts import BenchmarkError

__all__ = ["check_weights_path", "hub_weights", "load_checkpoint", "load_file"]

SUFFIXES = (".safetensors", ".pth", ".pt")

# A hub that does not answer within this time is taken as out of reach: its own client would
# retry for most of a minute.
HUB_TIMEOUT_S = 3.0

# What networks of a run are saved under; `models` writes it and stands after this room.
NETWORK_SCHEMA = 3
NETWORK_FILES = ("network.json", "network.safetensors")
PREFIX = "backbone."


@lru_cache(maxsize=4)
def hub_weights(name: str) -> dict[str, torch.Tensor] | None:
    """Fetch once per process; None where the hub is out of reach and nothing is cached."""
    import huggingface_hub.constants as hub

    host = urlsplit(hub.ENDPOINT).hostname or ""
    with mock.patch.object(hub, "HF_HUB_OFFLINE", hub.HF_HUB_OFFLINE or not _reachable(host)):
        try:
            module = timm.create_model(name, pretrained=True, num_classes=0)
        except (OSError, RuntimeError):
            return None
    state: dict[str, torch.Tensor] = module.state_dict()
    return state


def check_weights_path(name: str, path: Path) -> None:
    """Check that a path leads to a file of weights, or to the folder of a network on `name`.

    Raises
    ------
    BenchmarkError
        If it does not.
    """
    if path.is_dir():
        about_path, tensors_path = (path / file for file in NETWORK_FILES)
        _check_checkpoint(about_path, tensors_path, name)
        return
    if path.is_file() and path.suffix in SUFFIXES:
        return
    problem = f"is no {' or '.join(SUFFIXES)} file" if path.is_file() else "does not exist"
    raise BenchmarkError(
        f"The weights file {str(path)!r} of backbone {name!r} {problem} (looked for as "
        f"{str(path.resolve())!r}). Use auto, pretrained, random, the path of a .safetensors or "
        ".pth file, or the folder of a network under models/ of a run."
    )


def load_file(module: Any, name: str, path: Path) -> str:
    """Load a state dict saved by timm, and return the SHA-256 of the file.

    Parameters
    ----------
    module : nn.Module
        Backbone without a head; changed in place.
    name : str
        Of the backbone.
    path : Path
        A ``.safetensors`` or ``.pth`` file; a head in it is left out.

    Raises
    ------
    BenchmarkError
        If there is no such file, it cannot be read, or it belongs to another backbone.
    """
    check_weights_path(name, path)
    with _blaming(path, name):
        missing, _ = module.load_state_dict(_read_state(path), strict=False)
    if missing:
        raise BenchmarkError(
            f"{path} does not fit backbone {name!r}: {len(missing)} tensors are missing, the first "
            f"is {missing[0]!r}. Name the backbone that the file was saved from."
        )
    return _sha256(path)


def load_checkpoint(module: Any, name: str, folder: Path) -> str:
    """Load the backbone of a network that a run has saved, and return its SHA-256.

    Parameters
    ----------
    module : nn.Module
        Backbone without a head; changed in place.
    name : str
        Of the backbone.
    folder : Path
        A folder under ``models/`` of a run, with ``network.json`` and ``network.safetensors``.

    Raises
    ------
    BenchmarkError
        If the folder holds no network of this schema, or one on another backbone or on none.
    """
    about_path, tensors_path = (folder / file for file in NETWORK_FILES)
    _check_checkpoint(about_path, tensors_path, name)
    with _blaming(tensors_path, name):
        state = _read_state(tensors_path)
        own = {key.removeprefix(PREFIX): t for key, t in state.items() if key.startswith(PREFIX)}
        module.load_state_dict(own)
    return _sha256(tensors_path)


@contextmanager
def _blaming(path: Path, name: str) -> Iterator[None]:
    """Turn whatever a damaged file provokes in its reader into one sentence about the file."""
    try:
        yield
    except Exception as error:
        summary = " ".join(str(error).split())[:200]
        raise BenchmarkError(f"{path} holds no weights of {name!r}: {summary}") from None


def _check_checkpoint(about_path: Path, tensors_path: Path, name: str) -> None:
    folder = str(about_path.parent)
    if not (about_path.is_file() and tensors_path.is_file()):
        raise BenchmarkError(
            f"The folder {folder!r} holds no network: {' or '.join(NETWORK_FILES)} is missing. "
            "Name the folder of a network under models/ of a run, or a weights file."
        )
    try:
        about = json.loads(about_path.read_text(encoding="utf-8"))
        schema = about.get("schema_version")
        params = dict(about["params"])
        saved = params["backbone"] if params["image_columns"] else None
    except (ValueError, AttributeError, KeyError, TypeError):
        raise BenchmarkError(
            f"{about_path} does not describe a network. Name the folder as the run wrote it."
        ) from None
    if schema != NETWORK_SCHEMA:
        raise BenchmarkError(
            f"{about_path} has schema version {schema!r}, this sonobench reads {NETWORK_SCHEMA}. "
            "Use the sonobench that wrote it, or a weights file."
        )
    if saved != name:
        held = "no backbone, for it reads tables alone" if saved is None else f"backbone {saved!r}"
        raise BenchmarkError(
            f"The network in {folder!r} has {held}, but {name!r} is asked for. "
            "Name the backbone of the network, or the folder of another one."
        )


def _reachable(host: str) -> bool:
    try:
        with socket.create_connection((host, 443), timeout=HUB_TIMEOUT_S):
            return True
    except OSError:
        return False


def _read_state(path: Path) -> dict[str, torch.Tensor]:
    if path.suffix == ".safetensors":
        tensors: dict[str, torch.Tensor] = safetensors.torch.load_file(path)
        return tensors
    # weights_only keeps the file from running code.
    state = torch.load(path, map_location="cpu", weights_only=True)
    found: dict[str, torch.Tensor] = state.get("state_dict", state)
    return found


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
