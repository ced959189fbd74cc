"""Where a network runs, and in what precision it is trained there."""

from __future__ import annotations

from typing import Literal

import torch

__all__ = ["Precision", "choose_device", "trains_in_bfloat16"]

Precision = Literal["auto", "float32", "bfloat16"]


def choose_device(device: str) -> str:
    """Return the device that ``auto`` stands for, or the one that was asked for."""
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return device


def trains_in_bfloat16(precision: Precision, device: str) -> bool:
    """Return whether training steps run in bfloat16 where torch holds that to be safe.

    Parameters
    ----------
    precision : {"auto", "float32", "bfloat16"}
        ``auto``: on a GPU that has it. Not on a processor, even one with instructions for it:
        there it saves little or nothing, and small networks lose by it.
    device : str
        ``cpu`` or ``cuda``.

    Returns
    -------
    bool
        Whether to use autocast. Gradients in bfloat16 need no scaling: it has the range of
        float32.
    """
    if precision != "auto":
        return precision == "bfloat16"
    on_gpu = device.startswith("cuda")
    return on_gpu and bool(torch.cuda.is_bf16_supported(including_emulation=False))
