"""Backbones by name: any timm model, and a compact one of our own."""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import timm
import torch
from torch import nn

from cohorts import BenchmarkError, Note, unknown_name
from features.backbones._weights import check_weights_path, hub_weights, load_checkpoint, load_file

__all__ = ["NAMED_WEIGHTS", "Backbone", "check_backbone", "count_features", "create_backbone"]

# What is not a path.
NAMED_WEIGHTS = ("auto", "pretrained", "random")

COMPACT_CHANNELS = (16, 32, 64, 128)

ASKED_FOR = (
    "The backbone {name} has random weights, as the config asks. Rows that use it say nothing "
    "about a pretrained {name}."
)
OUT_OF_REACH = (
    "Pretrained weights of {name} could not be had (no connection to the hub, and none in the "
    "local cache), so the backbone has random weights. Rows that use it say nothing about a "
    "pretrained {name}; name a weights file to change that."
)
FINE_TUNED = (
    "The backbone was fine-tuned on the labels of the patients of another run. Rows that use it "
    "are honest only if none of the patients here were among them."
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
        A warning where a timm model has random weights, or where weights have seen labels.
    weights_id : str
        Where the weights come from: ``hub:NAME``, ``file:SHA256``, ``network:SHA256`` or
        ``random:SEED``.
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
        state dict, or of the folder of a network under ``models/`` of a run, whose backbone
        is taken. ``compact``, which is made to be trained from scratch, takes the last one
        and is random otherwise.
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
    if name == "compact" and weights in NAMED_WEIGHTS:
        return _finish(_seeded(lambda: _untrained(name), random_state), f"random:{random_state}")
    _check_name(name)
    if weights == "random":
        return _random(name, random_state, ASKED_FOR.format(name=name))
    if weights in {"auto", "pretrained"}:
        return _from_hub(name, random_state, required=weights == "pretrained")
    return _from_path(name, Path(weights), random_state)


def check_backbone(name: str, *, weights: str) -> None:
    """Check what can be checked of a backbone without building it.

    Parameters
    ----------
    name, weights : str
        As for `create_backbone`.

    Raises
    ------
    BenchmarkError
        If the name is unknown, or the path of weights leads to no file or network.
    """
    _check_name(name)
    if weights not in NAMED_WEIGHTS:
        check_weights_path(name, Path(weights))


@cache
def count_features(name: str) -> int:
    """Return how many features a backbone has of an image, without fetching any weights.

    Parameters
    ----------
    name : str
        As for `create_backbone`.

    Raises
    ------
    BenchmarkError
        If the name is unknown.

    Examples
    --------
    >>> count_features("compact")
    128
    """
    _check_name(name)
    # Laid out where nothing is stored: no weights are drawn, and the generator stays as it was.
    with torch.device("meta"):
        return int(_untrained(name).head_hidden_size)


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
    if name != "compact" and not timm.is_model(name.split(".")[0]):
        near = [known for known in timm.list_models() if known.startswith(name[:6])][:12]
        hint = "Any timm model works, and 'compact'."
        raise unknown_name("backbone", name, [*near, "efficientnet_b3", "compact"], hint=hint)


def _from_hub(name: str, random_state: int, *, required: bool) -> Backbone:
    state = hub_weights(name)
    if state is not None:
        module = _untrained(name)
        module.load_state_dict(state)
        config: dict[str, Any] = module.pretrained_cfg
        return _finish(module, f"hub:{config.get('hf_hub_id', name)}")
    if required:
        raise BenchmarkError(
            f"Pretrained weights of {name!r} cannot be fetched: the hub is out of reach and the "
            "local cache has none. Use weights: auto, random, or the path of a file."
        )
    return _random(name, random_state, OUT_OF_REACH.format(name=name))


def _from_path(name: str, path: Path, random_state: int) -> Backbone:
    module = _seeded(lambda: _untrained(name), random_state)
    if path.is_dir():
        weights_id = f"network:{load_checkpoint(module, name, path)}"
        return _finish(module, weights_id, (Note("fine-tuned-weights", "warning", FINE_TUNED),))
    return _finish(module, f"file:{load_file(module, name, path)}")


def _untrained(name: str) -> Any:
    if name == "compact":
        return CompactBackbone(COMPACT_CHANNELS)
    return timm.create_model(name, pretrained=False, num_classes=0)


def _random(name: str, random_state: int, why: str) -> Backbone:
    module = _seeded(lambda: _untrained(name), random_state)
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
