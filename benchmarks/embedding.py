"""Time the embedding backends against the matrix product of the same machine.

Usage: python benchmarks/embedding.py [--data BUSI] [--backbone NAME] [--image-size N] [--rounds N]

Prints, for each backend, precision and batch size on one thread, the images per second, the
share of the best float32 matrix product that any of torch, NumPy and ONNX Runtime reaches
(the two take turns, because other work on the machine slows both), and the largest difference
to float32 torch as a share of the largest feature. FLOPs are two for each multiply-add of the
convolutions and linear layers. Then the images of a cohort pass through the extractor on all
cores, from files to features: BUSI if its folder is given, else the demo cohort.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper
from threadpoolctl import threadpool_limits
from torch.utils.flop_counter import FlopCounterMode

from cohorts import Cohort, load_cohort
from features import FeatureCache, build_blocks, create_backbone, normalise_pixels
from features.backbones import with_unit_output
from features.embedding import EmbeddingOptions, make_backend, make_views
from features.embedding._backends import GPU_BATCH_SIZE, exact_convolutions
from features.imaging import ImagingOptions

CPU_BATCHES = (1, 2, 4, 8)
EDGE = 1024
# Products for each pass of the backbone: short, or a busy moment would count for one alone.
N_PRODUCTS = 4

CPU_SETTINGS = (("torch", "float32"), ("torch", "bfloat16"), ("onnx", "float32"))

Call = Callable[[], Any]
# Backend, precision and batch size.
Setting = tuple[str, str, int]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="folder of BUSI; the demo cohort without it")
    parser.add_argument("--backbone", default="efficientnet_b3")
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    backbone = create_backbone(given.backbone, weights="random", random_state=0)
    module = with_unit_output(backbone.module, image_size=given.image_size, random_state=0)
    cohort = load_cohort("busi" if given.data else "demo", given.data)
    pixels = _pixels(cohort, given.image_size)
    n_flops = _n_flops(module, given.image_size)
    print(f"{given.backbone} at {given.image_size} px: {n_flops / 1e9:.2f} GFLOP per image")
    n_threads = torch.get_num_threads()
    with threadpool_limits(1):
        torch.set_num_threads(1)
        _print_cpu(module, pixels, n_flops, given.rounds)
    torch.set_num_threads(n_threads)
    if torch.cuda.is_available():
        _print_cuda(module, pixels, n_flops, given.rounds)
    _print_cohort(cohort, given.backbone, given.image_size, min(given.rounds, 3))


def _pixels(cohort: Cohort, image_size: int) -> NDArray[np.uint8]:
    """Return one GPU batch of real images."""
    records = [record for of_case in cohort.images[0].records for record in of_case]
    options = EmbeddingOptions(image_size=image_size)
    views = [make_views(one, options, ImagingOptions()) for one in records[:GPU_BATCH_SIZE]]
    return np.concatenate([one.pixels for one in views])


def _n_flops(module: torch.nn.Module, image_size: int) -> int:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module(torch.zeros(1, 3, image_size, image_size))
    return int(counter.get_total_flops())


def _products() -> dict[str, Call]:
    """Return a float32 matrix product in each library that computes here."""
    a = np.random.default_rng(0).standard_normal((EDGE, EDGE), dtype=np.float32)
    t = torch.from_numpy(a)
    info = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [EDGE, EDGE]) for n in "ab"]
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["a", "a"], ["b"])], "g", info[:1], info[1:]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    return {
        "torch": lambda: t @ t,
        "NumPy": lambda: a @ a,
        "ONNX Runtime": lambda: session.run(None, {"a": a}),
    }


def _seconds(call: Call, n: int = 1) -> float:
    started = time.perf_counter()
    for _ in range(n):
        call()
    return (time.perf_counter() - started) / n


def _cpu_forwards(module: torch.nn.Module, size: int) -> dict[Setting, Callable[..., Any]]:
    """Return the function that makes features of a batch, for each setting."""
    found: dict[Setting, Callable[..., Any]] = {}
    for backend, precision in CPU_SETTINGS:
        for n in CPU_BATCHES:
            options = EmbeddingOptions(backend=backend, precision=precision)  # type: ignore[arg-type]
            made: Any = make_backend(options, module, input_shape=(n, 3, size, size))
            found[backend, precision, n] = made.forward
    return found


def _print_cpu(
    module: torch.nn.Module, pixels: NDArray[np.uint8], n_flops: int, n_rounds: int
) -> None:
    with torch.inference_mode():
        exact = module(normalise_pixels(pixels[: max(CPU_BATCHES)])).numpy()
    products = _products()
    print("\none thread        batch  ms/image  images/s  GFLOP/s  product  share  difference")
    for (backend, precision, n), forward in _cpu_forwards(module, pixels.shape[-1]).items():
        batch = pixels[:n]
        difference = np.abs(forward(batch) - exact[:n]).max() / np.abs(exact).max()
        mine, theirs = [], []
        for _ in range(n_rounds):
            mine.append(_seconds(partial(forward, batch)) / n)
            theirs.append(min(_seconds(call, N_PRODUCTS) for call in products.values()))
        ms, peak = statistics.median(mine), 2 * EDGE**3 / statistics.median(theirs)
        _print_row(f"{backend} {precision}", n, ms, n_flops, peak, difference)
    rates = {name: 2 * EDGE**3 / _median(call, n_rounds) / 1e9 for name, call in products.items()}
    print("product by library:", ", ".join(f"{k} {v:.0f} GFLOP/s" for k, v in rates.items()))


def _median(call: Call, n_rounds: int) -> float:
    return statistics.median(_seconds(call, N_PRODUCTS) for _ in range(n_rounds))


def _print_row(
    name: str, n: int, seconds: float, n_flops: int, peak: float, difference: float
) -> None:
    rate = n_flops / seconds
    print(
        f"{name:17} {n:5} {1e3 * seconds:9.2f} {1 / seconds:9.1f} {rate / 1e9:8.0f} "
        f"{peak / 1e9:8.0f} {rate / peak:6.0%}  {difference:10.1e}"
    )


def _print_cuda(
    module: torch.nn.Module, pixels: NDArray[np.uint8], n_flops: int, n_rounds: int
) -> None:
    """Print the same for a GPU, against its own product in float32 without TensorFloat-32."""
    with torch.inference_mode():
        exact = module(normalise_pixels(pixels)).numpy()
    t = torch.randn(4 * EDGE, 4 * EDGE, device="cuda")
    print("\nGPU               batch  ms/image  images/s  GFLOP/s  product  share  difference")
    for precision in ("float32", "bfloat16"):
        options = EmbeddingOptions(backend="torch", precision=precision)  # type: ignore[arg-type]
        backend: Any = make_backend(options, module, input_shape=(1, 3, 0, 0), device="cuda")

        def forward(backend: Any = backend) -> NDArray[np.float32]:
            with exact_convolutions(), torch.inference_mode():
                found: NDArray[np.float32] = backend.forward(pixels).float().cpu().numpy()
            return found

        def product() -> None:
            t @ t
            torch.cuda.synchronize()

        difference = np.abs(forward() - exact).max() / np.abs(exact).max()
        product()
        mine, theirs = [], []
        for _ in range(n_rounds):
            mine.append(_seconds(forward) / len(pixels))
            theirs.append(_seconds(product, N_PRODUCTS))
        ms, peak = statistics.median(mine), 2 * (4 * EDGE) ** 3 / statistics.median(theirs)
        _print_row(f"torch {precision}", len(pixels), ms, n_flops, peak, difference)


def _print_cohort(cohort: Cohort, backbone: str, image_size: int, n_rounds: int) -> None:
    """Time the extractor itself, from files to features, and the preparing alone."""
    records = [record for of_case in cohort.images[0].records for record in of_case]
    options = EmbeddingOptions(image_size=image_size)
    prepare = partial(make_views, options=options, imaging=ImagingOptions())
    alone = statistics.median(_seconds(lambda: [prepare(r) for r in records]) for _ in range(3))
    print(
        f"\nall cores ({torch.get_num_threads()}), {len(records)} images from files: "
        f"preparing takes {1e3 * alone / len(records):.2f} ms/image on one thread"
    )
    for backend in ("onnx", "torch"):
        chosen = {"backbone": backbone, "image_size": image_size, "backend": backend}
        build = partial(
            build_blocks,
            cohort,
            ["embedding"],
            options={"embedding": chosen | {"weights": "random"}},
            cache=FeatureCache(None),
            random_state=0,
        )
        wall, of_cores = _wall_and_cpu(build, n_rounds)
        print(
            f"{backend:6} {wall:6.1f} s wall, {len(records) / wall:6.1f} images/s; "
            f"{of_cores:6.1f} s of one core, {1e3 * of_cores / len(records):.1f} ms/image"
        )


def _wall_and_cpu(call: Call, n_rounds: int) -> tuple[float, float]:
    """Return medians; the seconds that cores were busy do not grow while others have them."""
    walls, busy = [], []
    for _ in range(n_rounds):
        started = time.process_time()
        walls.append(_seconds(call))
        busy.append(time.process_time() - started)
    return statistics.median(walls), statistics.median(busy)


if __name__ == "__main__":
    main()
