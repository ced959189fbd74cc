"""Networks on disk: tensors as safetensors, everything else as JSON and skops."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import skops.io

from cohorts import BenchmarkError, Column, Note
from features import AugmentOptions, ImagingOptions
from models._calibration import ProbabilityCalibrator
from models._skops import load_skops
from models.networks._classifiers import FusionNetworkClassifier
from models.networks._devices import choose_device

__all__ = ["load_network", "save_network"]

# 3: tables are told apart, and probabilities are calibrated.
SCHEMA_VERSION = 3

# All that a fitted `TabularEncoder` can hold beyond skops' own list.
TRUSTED_TYPES = (
    "cohorts._cohort.Column",
    "cohorts._cohort.ColumnKind",
    "features._scaling.SteadyScaler",
    "features._tabular.TabularEncoder",
    "numpy.dtype",
)

# Parameters of a network that are objects with named fields.
OPTION_TYPES = {"imaging": ImagingOptions, "augment": AugmentOptions}


def save_network(classifier: FusionNetworkClassifier, folder: Path) -> None:
    """Write ``network.safetensors``, ``network.json`` and, with tables, ``encoder.skops``.

    Parameters
    ----------
    classifier : FusionNetworkClassifier
        Fitted.
    folder : Path
        Existing folder.
    """
    state = {name: t.contiguous() for name, t in classifier.network_.state_dict().items()}
    safetensors.torch.save_file(state, folder / "network.safetensors")
    if classifier.encoder_ is not None:
        skops.io.dump(classifier.encoder_, folder / "encoder.skops")
    params = classifier.get_params(deep=False)
    params["image_columns"] = list(params["image_columns"])
    params["tabular_columns"] = [_column_as_dict(one) for one in params["tabular_columns"]]
    for name in OPTION_TYPES:
        params[name] = None if params[name] is None else asdict(params[name])
    about = {
        "schema_version": SCHEMA_VERSION,
        "params": params,
        "classes": classifier.classes_.tolist(),
        "calibrator": _calibrator_as_dict(classifier.calibrator_),
        "history": classifier.history_,
        "weights": classifier.weights_,
        "notes": [[note.code, note.severity, note.text] for note in classifier.notes_],
    }
    (folder / "network.json").write_text(json.dumps(about, indent=1), encoding="utf-8")


def load_network(folder: Path) -> FusionNetworkClassifier:
    """Read a network back; its predictions are the same to the bit.

    Raises
    ------
    BenchmarkError
        If the folder holds no network of this schema.
    """
    about = _read(folder / "network.json")
    params = about["params"] | {"tabular_columns": _columns(about["params"]["tabular_columns"])}
    params["image_columns"] = tuple(params["image_columns"])
    for name, kind in OPTION_TYPES.items():
        params[name] = None if params[name] is None else kind(**params[name])
    classifier = FusionNetworkClassifier(**params)
    classifier.classes_ = np.asarray(about["classes"])
    classifier.encoder_ = None
    if params["tabular_columns"]:
        classifier.encoder_ = load_skops(folder / "encoder.skops", trusted=TRUSTED_TYPES)
    # Weights are about to be replaced, so none are fetched.
    empty = FusionNetworkClassifier(**{**params, "weights": "random"})
    empty.encoder_ = classifier.encoder_
    network, _ = empty.build_network(len(about["classes"]))
    network.load_state_dict(safetensors.torch.load_file(folder / "network.safetensors"))
    classifier.network_ = network.eval().to(choose_device(params["device"]))
    classifier.calibrator_ = _calibrator(about["calibrator"])
    classifier.history_ = about["history"]
    classifier.weights_ = about["weights"]
    classifier.notes_ = tuple(Note(*note) for note in about["notes"])
    return classifier


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise BenchmarkError(f"{str(path.parent)!r} holds no network: {path.name} is missing.")
    about: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if about.get("schema_version") != SCHEMA_VERSION:
        raise BenchmarkError(
            f"{path} has schema version {about.get('schema_version')!r}, this sonobench reads "
            f"{SCHEMA_VERSION}. Load it with the sonobench that wrote it."
        )
    return about


def _calibrator_as_dict(calibrator: ProbabilityCalibrator | None) -> dict[str, Any] | None:
    if calibrator is None:
        return None
    return {"slope": calibrator.slope_, "shift": calibrator.shift_.tolist()}


def _calibrator(stored: dict[str, Any] | None) -> ProbabilityCalibrator | None:
    if stored is None:
        return None
    calibrator = ProbabilityCalibrator()
    calibrator.slope_, calibrator.shift_ = stored["slope"], np.asarray(stored["shift"])
    return calibrator


def _column_as_dict(column: Column) -> dict[str, Any]:
    return asdict(column) | {"kind": column.kind.value, "order": list(column.order)}


def _columns(stored: list[dict[str, Any]]) -> tuple[Column, ...]:
    return tuple(map(Column.from_dict, stored))
