"""Image backbones: any timm model with its weights, and a compact one of our own."""

from __future__ import annotations

import hashlib
import socket
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock
from urllib.parse import urlsplit

import numpy as np
import safetensors.torch
import timm
import torch
from numpy.typing import NDArray
from torch import nn

from cohorts import BenchmarkError, Note, unknown_name

__all__ = ["Backbone", "create_backbone", "normalise_pixels"]

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

COMPACT_CHANNELS = (16, 32, 64, 128)

# A hub that does not answer within this time is taken as out of reach: its own client would
# retry for most of a minute.
HUB_TIMEOUT_S = 3.0

ASKED_FOR = (
    "The backbone {name} has random weights, as the config asks. Rows that use it say nothing "
    "about a pretrained {name}."
)
OUT_OF_REACH = (
    "Pretrained weights of {name} could not be had (no connection to the hub, and none in the "
    "local cache), so the backbone has random weights. Rows that use it say nothing about a "
    "pretrained {name}; name a weights file to change that."
)


class Backbone(NamedTuple):
    """A feature extractor without its classification head.

    Attributes
    ----------
    module : nn.Module
        (n, 3, height, width) -> (n, n_features), pooled.
    n_features : int
        Width of the output.
    notes : tuple of Note
        A warning where a timm model has random weights.
    weights_id : str
        Where the weights come from: ``hub:NAME``, ``file:SHA256`` or ``random:SEED``.
    """

    module: nn.Module
    n_features: int
    notes: tuple[Note, ...]
    weights_id: str

    @property
    def origin(self) -> str:
        """Where the weights come from: as `weights_id`, with all random ones alike."""
        return "random" if self.is_random else self.weights_id

    @property
    def is_random(self) -> bool:
        """Whether the weights are random."""
        return self.weights_id.startswith("random:")


def create_backbone(name: str, *, weights: str, random_state: int) -> Backbone:
    """Build a backbone and load its weights.

    Parameters
    ----------
    name : str
        A timm model, such as ``efficientnet_b3``, or ``compact``.
    weights : str
        ``auto``: pretrained from timm's hub, else random with a warning. ``pretrained``:
        from the hub or not at all. ``random``. Or the path of a ``.safetensors`` or ``.pth``
        state dict. Ignored by ``compact``, which is always trained from scratch.
    random_state : int
        Seed of random weights; the global generator is left as it was.

    Returns
    -------
    Backbone
        In evaluation mode, ``channels_last``.

    Raises
    ------
    BenchmarkError
        If the name is unknown, or the weights that were asked for cannot be had.
    """
    if name == "compact":
        module = _seeded(lambda: CompactBackbone(COMPACT_CHANNELS), random_state)
        return _finish(module, f"random:{random_state}")
    _check_name(name)
    if weights == "random":
        return _random(name, random_state, ASKED_FOR.format(name=name))
    if weights in {"auto", "pretrained"}:
        return _from_hub(name, random_state, required=weights == "pretrained")
    return _from_file(name, Path(weights))


def normalise_pixels(pixels: NDArray[np.uint8]) -> torch.Tensor:
    """Turn grey images into what ImageNet backbones expect.

    Parameters
    ----------
    pixels : ndarray of shape (n, height, width), uint8
        Grey values.

    Returns
    -------
    Tensor of shape (n, 3, height, width), float32
        Grey on all three channels, minus ImageNet's mean, over its standard deviation.
    """
    # A copy, because decoded images are read-only.
    grey = torch.from_numpy(np.array(pixels)).float().div_(255.0)[:, None]
    mean = torch.tensor(IMAGENET_MEAN)[None, :, None, None]
    std = torch.tensor(IMAGENET_STD)[None, :, None, None]
    return ((grey - mean) / std).contiguous(memory_format=torch.channels_last)


class CompactBackbone(nn.Module):
    """Four convolution stages, each halving the image: about 0.1 million parameters.

    Made for inputs of 64 to 96 pixels and training from scratch on a few hundred images.

    Parameters
    ----------
    channels : tuple of int
        Width of each stage; the last is the width of the pooled output.
    """

    def __init__(self, channels: tuple[int, ...]) -> None:
        super().__init__()
        widths = (3, *channels)
        self.stages = nn.Sequential(
            *(
                nn.Sequential(
                    nn.Conv2d(before, after, 3, padding=1, bias=False),
                    nn.BatchNorm2d(after),
                    nn.ReLU(),
                    nn.MaxPool2d(2),
                )
                for before, after in pairwise(widths)
            )
        )
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head_hidden_size = channels[-1]

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return pooled features of shape (n, channels[-1])."""
        pooled: torch.Tensor = self.pool(self.stages(images)).flatten(1)
        return pooled


def _check_name(name: str) -> None:
    if not timm.is_model(name.split(".")[0]):
        near = [known for known in timm.list_models() if known.startswith(name[:6])][:12]
        hint = "Any timm model works, and 'compact'."
        raise unknown_name("backbone", name, [*near, "efficientnet_b3", "compact"], hint=hint)


def _from_hub(name: str, random_state: int, *, required: bool) -> Backbone:
    state = _hub_weights(name)
    if state is not None:
        module: Any = timm.create_model(name, pretrained=False, num_classes=0)
        module.load_state_dict(state)
        config: dict[str, Any] = module.pretrained_cfg
        return _finish(module, f"hub:{config.get('hf_hub_id', name)}")
    if required:
        raise BenchmarkError(
            f"Pretrained weights of {name!r} cannot be fetched: the hub is out of reach and the "
            "local cache has none. Use weights: auto, random, or the path of a file."
        )
    return _random(name, random_state, OUT_OF_REACH.format(name=name))


@lru_cache(maxsize=4)
def _hub_weights(name: str) -> dict[str, torch.Tensor] | None:
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


def _reachable(host: str) -> bool:
    try:
        with socket.create_connection((host, 443), timeout=HUB_TIMEOUT_S):
            return True
    except OSError:
        return False


def _from_file(name: str, path: Path) -> Backbone:
    if not path.is_file():
        raise BenchmarkError(
            f"The weights file {str(path)!r} of backbone {name!r} does not exist. "
            "Use auto, pretrained, random, or the path of a .safetensors or .pth file."
        )
    module: Any = timm.create_model(name, pretrained=False, num_classes=0)
    try:
        state = _read_state(path)
        missing, _ = module.load_state_dict(state, strict=False)
    except Exception as error:  # whatever a damaged file provokes in its reader
        summary = " ".join(str(error).split())[:200]
        raise BenchmarkError(f"{path} holds no weights of {name!r}: {summary}") from None
    if missing:
        raise BenchmarkError(
            f"{path} does not fit backbone {name!r}: {len(missing)} tensors are missing, the first "
            f"is {missing[0]!r}. Name the backbone that the file was saved from."
        )
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return _finish(module, f"file:{digest}")


def _read_state(path: Path) -> dict[str, torch.Tensor]:
    if path.suffix == ".safetensors":
        tensors: dict[str, torch.Tensor] = safetensors.torch.load_file(path)
        return tensors
    # weights_only keeps the file from running code.
    state = torch.load(path, map_location="cpu", weights_only=True)
    found: dict[str, torch.Tensor] = state.get("state_dict", state)
    return found


def _random(name: str, random_state: int, why: str) -> Backbone:
    module = _seeded(lambda: timm.create_model(name, pretrained=False, num_classes=0), random_state)
    # Asked for or not, rows on random weights are marked, or they would be read as the model.
    note = Note("random-weights", "warning", why)
    return _finish(module, f"random:{random_state}", (note,))


def _seeded(build: Any, random_state: int) -> Any:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(random_state)
        return build()


def _finish(module: Any, weights_id: str, notes: tuple[Note, ...] = ()) -> Backbone:
    module = module.eval().to(memory_format=torch.channels_last)
    # Some timm models widen their features once more before the head that was left out.
    return Backbone(module, int(module.head_hidden_size), notes, weights_id)
