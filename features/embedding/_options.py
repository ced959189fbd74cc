"""What can be set for embeddings."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

__all__ = ["BackendName", "EmbeddingOptions", "Precision"]

BackendName = Literal["torch", "onnx"]
Precision = Literal["float32", "bfloat16"]


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class EmbeddingOptions:
    """What can be set for embeddings.

    Attributes
    ----------
    backbone : str
        Any timm model, or ``compact``.
    weights : str
        ``auto`` (timm's hub, else random with a warning), ``pretrained``, ``random``, the
        path of a safetensors or pth file, or the folder of a network that a run has saved.
    image_size : int
        Edge of the square input in pixels.
    region_crop : bool
        Crop every image to a square around its automatic region. Where the segmentation is
        not sure of itself the image stays whole, and a note says how often.
    crop_margin : float
        What is added on every side of the region, as a share of its longer edge.
    flip_average : bool
        Average over the image and its left–right mirror, at twice the cost: left and right
        are interchangeable in a breast ultrasound.
    backend : {"auto", "torch", "onnx"}
        What runs the backbone. ``auto``: ONNX Runtime where it is installed, there is no GPU
        and the precision is float32, else torch. ONNX Runtime stays on the CPU. The two agree
        to 1e-6 of the largest feature in EfficientNet-B3.
    precision : {"float32", "bfloat16"}
        float32 is exact: the same to rounding on every device. bfloat16 keeps eight bits of
        each number and is off by about 1e-2 of the largest feature in EfficientNet-B3; it is
        meant for GPUs, and torch alone has it.
    """

    backbone: str = "efficientnet_b3"
    weights: str = "auto"
    image_size: Annotated[int, Field(ge=32)] = 224
    region_crop: bool = False
    crop_margin: Annotated[float, Field(ge=0, le=1)] = 0.2
    flip_average: bool = False
    backend: Literal["auto", "torch", "onnx"] = "auto"
    precision: Precision = "float32"
