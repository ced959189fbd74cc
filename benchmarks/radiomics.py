"""Time radiomics by family: median milliseconds on one core, at 32 grey levels.

    python benchmarks/radiomics.py [--busi DIR] [--breast DIR]

Without data, on simulated speckle with a lesion of the median size of BUSI's and BrEaST's.
With them, on real lesions at the quartiles of size. Decoding is not counted.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from cohorts import Cohort, load_cohort
from features import ImagingOptions, prepare_image
from features.radiomics import FAMILIES, RadiomicsOptions, RegionView

N_ROUNDS = 40

IBSI = ("firstorder", "shape", "glcm", "glrlm", "glszm", "gldzm", "ngtdm", "ngldm")
FILTERS = ("lbp", "gabor", "wavelet")

# Median pixels of a lesion: BUSI with its longest side at 256, BrEaST in full size.
SIMULATED = {"256 × 256, lesion": ((256, 256), 2970), "full size, lesion": ((540, 760), 15600)}

QUANTILES = (0.25, 0.5, 0.75, 0.95)

Picture = tuple[NDArray[np.uint8], NDArray[np.bool_]]


def main() -> None:
    """Print a table: a row for each family, a column for each region."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--busi", type=Path, help="folder of BUSI")
    parser.add_argument("--breast", type=Path, help="folder of BrEaST-Lesions-USG")
    arguments = parser.parse_args()
    with threadpool_limits(limits=1):
        columns = {title: timed(*picture) for title, picture in pictures(arguments).items()}
    for title in columns:
        print(f"{title}")
    names = list(next(iter(columns.values())))
    print(
        f"\n{'milliseconds':14}" + "".join(f"{number:>9}" for number in range(1, len(columns) + 1))
    )
    for name in names:
        print(f"{name:14}" + "".join(f"{times[name]:9.2f}" for times in columns.values()))
    for title, group in (("all IBSI", ("prepare", *IBSI)), ("filters", FILTERS)):
        totals = (sum(times[name] for name in group) for times in columns.values())
        print(f"{title:14}" + "".join(f"{total:9.2f}" for total in totals))


def pictures(arguments: argparse.Namespace) -> dict[str, Picture]:
    """Return images with their regions, by a title."""
    found: dict[str, Picture] = {}
    for name in ("busi", "breast"):
        folder = getattr(arguments, name)
        if folder is not None:
            found |= real(name, load_cohort(name, folder))
    if not found:
        found = {title: simulated(*of) for title, of in SIMULATED.items()}
    whole = next(iter(found.values()))[0]
    square = np.resize(whole, (256, 256)) if whole.shape != (256, 256) else whole
    found = {f"{n}. {title}": one for n, (title, one) in enumerate(found.items(), start=1)}
    found[f"{len(found) + 1}. 256 × 256, whole"] = (square, np.ones((256, 256), dtype=bool))
    return found


def simulated(shape: tuple[int, int], n_pixels: int) -> Picture:
    """Speckle (Rayleigh, as of many scatterers) with an elliptical lesion in its middle."""
    rng = np.random.default_rng(0)
    y, x = np.indices(shape, dtype=float)
    # Lesions are about 1.4 times as wide as high.
    tall = (n_pixels / np.pi / 1.4) ** 0.5
    inside = ((y - shape[0] / 2) / tall) ** 2 + ((x - shape[1] / 2) / (1.4 * tall)) ** 2 <= 1
    speckle = rng.rayleigh(np.where(inside, 25, 60), size=shape)
    return np.clip(speckle, 0, 255).astype(np.uint8), inside


def real(name: str, cohort: Cohort) -> dict[str, Picture]:
    """Lesions at quantiles of size, inside the masks that came with the data."""
    prepared = (
        prepare_image(record, ImagingOptions())
        for records in cohort.images[0].records
        for record in records
        if record.masks
    )
    outlined = ((one.grey, one.outlined) for one in prepared)
    found = sorted(
        ((grey, mask) for grey, mask in outlined if mask is not None),
        key=lambda picture: int(picture[1].sum()),
    )
    chosen = {q: found[round(q * (len(found) - 1))] for q in QUANTILES}
    return {
        f"{name}, lesion at the {q:.0%} quantile: {mask.sum():,} px of {grey.shape}": (grey, mask)
        for q, (grey, mask) in chosen.items()
    }


def timed(image: NDArray[np.uint8], mask: NDArray[np.bool_]) -> dict[str, float]:
    """Return median milliseconds of each family, and of what they share."""
    options = RadiomicsOptions(unit="px")

    def view() -> RegionView:
        return RegionView(image, mask, np.ones_like(mask), 1.0, 1.0, options)

    def shared() -> RegionView:
        fresh = view()
        # Levels and zones are computed once and read by several families.
        _ = fresh.box, fresh.levels, fresh.n_levels, fresh.n_pixels, fresh.zones
        return fresh

    ready = shared()
    times = {"prepare": median_ms(shared)}
    for name, family in FAMILIES.items():
        times[name] = median_ms(lambda family=family: family.compute(ready))
    return times


def median_ms(call: Callable[[], object]) -> float:
    """Return the median of some rounds after a first one that fills the memos."""
    call()
    return 1e3 * statistics.median(_rounds(call))


def _rounds(call: Callable[[], object]) -> Iterable[float]:
    for _ in range(N_ROUNDS):
        started = time.perf_counter()
        call()
        yield time.perf_counter() - started


if __name__ == "__main__":
    main()
