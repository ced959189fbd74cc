"""Where a network runs, and in what precision it is trained there."""

from __future__ import annotations

from typing import Literal

import torch

__all__ = ["Precision", "choose_device", "trains_in_bfloat16"]

Precision = Literal["auto", "float32", "bfloat16"]

# What torch calls processors that multiply in bfloat16. Without such instructions bfloat16 is
# emulated, and slower than float32.
BFLOAT16_INSTRUCTIONS = ("avx512_bf16", "amx_bf16")


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
        ``auto``: if the device has instructions for it.
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
    if device.startswith("cuda"):
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    # Earlier versions of torch do not tell; float32 is never wrong.
    capabilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return any(capabilities.get(name) for name in BFLOAT16_INSTRUCTIONS)
