"""Models on disk, never pickled: skops for classical ones, safetensors for networks."""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import skops.io

from cohorts import BenchmarkError, __version__, write_atomically
from models._finetuned import join_network, split_network
from models._registry import MODELS
from models._skops import load_skops
from models.networks import FusionNetworkClassifier, load_network, save_network

__all__ = [
    "TRUSTED_TYPES",
    "check_files",
    "hash_files",
    "load_model",
    "read_metadata",
    "save_model",
]

# 2: encoders scale by `SteadyScaler` and know ordered levels.
# 3: versions of all libraries, operating point, calibrated probabilities.
SCHEMA_VERSION = 3

# Every type beyond skops' own list that a classical pipeline of ours can hold; a model of another
# package has its own list beside it. A file that names another type is refused.
TRUSTED_TYPES = (
    "cohorts._cohort.Column",
    "cohorts._cohort.ColumnKind",
    "features._preprocess.CappedPCA",
    "features._scaling.SteadyScaler",
    "features._tabular.TabularEncoder",
    "models._calibration.ProbabilityCalibrator",
    "models._calibration.RecalibratedClassifier",
    "models._stacking.BlockStackingClassifier",
    "models.classical._binning.QuantileBinner",
    "models.classical._neural.FixedLengthMLP",
    "models.classical._vector_machine.CalibratedVectorMachine",
    "models.classical._wrappers.BalancedClassifier",
    "models.classical._wrappers.BalancedNeighborsClassifier",
    "collections.OrderedDict",
    "lightgbm.basic.Booster",
    "lightgbm.sklearn.LGBMClassifier",
    "numpy.dtype",
    "sklearn._loss.link.Interval",
    "sklearn._loss.link.LogitLink",
    "sklearn._loss.link.MultinomialLogit",
    "sklearn._loss.loss.HalfBinomialLoss",
    "sklearn._loss.loss.HalfMultinomialLoss",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.compose._column_transformer.make_column_selector",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.metrics._dist_metrics.EuclideanDistance64",
    "sklearn.neighbors._kd_tree.KDTree",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.tree._tree.Tree",
    "sklearn.utils._bunch.Bunch",
    "xgboost.core.Booster",
    "xgboost.sklearn.XGBClassifier",
)

# Packages whose objects a skops file holds, by the name that they are imported under.
PACKAGES = {"sklearn": "scikit-learn", "xgboost": "xgboost", "lightgbm": "lightgbm"}

# Of these any patch release will do: a file holds plain tensors, and what runs on them is
# public. The others keep private fields, which may change with every release.
TENSOR_PACKAGES = ("torch", "timm")


def save_model(classifier: Any, folder: Path, *, metadata: Mapping[str, Any]) -> None:
    """Write a fitted classifier and what is needed to read it back.

    Parameters
    ----------
    classifier : estimator
        A pipeline, a stacking or a network; recalibrated or not.
    folder : Path
        Made if it is not there.
    metadata : mapping
        Plain values about the model; ``model.json`` holds them, written last.
    """
    folder.mkdir(parents=True, exist_ok=True)
    is_network = isinstance(classifier, FusionNetworkClassifier)
    columns, rest = split_network(classifier)
    if is_network:
        save_network(classifier, folder)
        packages = _packages_of(classifier)
    else:
        path = folder / "model.skops"
        skops.io.dump(rest, path, compression=zipfile.ZIP_DEFLATED)
        packages = _packages_in(path)
    if columns is not None:
        # Beside the rest, not below it, so that the hashes of a folder's files hold it too.
        save_network(columns.network_, folder)
        packages = list(dict.fromkeys([*packages, *_packages_of(columns.network_)]))
    for path in folder.glob("*.safetensors"):
        # Tensors are written for the user alone; models are as readable as any other file.
        path.chmod(0o644)
    about = {
        "schema_version": SCHEMA_VERSION,
        "format": "network" if is_network else "skops",
        "embeds": columns is not None,
        "sonobench": __version__,
        "versions": {name: _installed(name) for name in packages},
        **metadata,
    }
    write_atomically(folder / "model.json", json.dumps(about, indent=1).encode("utf-8"))


def load_model(folder: Path, *, files: Mapping[str, str] | None = None) -> Any:
    """Read a classifier back; nothing in the folder is executed.

    Parameters
    ----------
    folder : Path
        That `save_model` wrote.
    files : mapping of str to str, optional
        SHA-256 of every file, from ``run.json``: checked before anything is parsed.

    Raises
    ------
    BenchmarkError
        If a file is missing, changed or of nobody, the folder holds no model of this schema
        and of the installed versions, or the model names a type that none of ours contains.
    """
    about = read_metadata(folder, files=files)
    _check_versions(folder, about["versions"])
    if about["format"] == "network":
        return load_network(folder)
    trusted = (*TRUSTED_TYPES, *_types_of(about.get("model")))
    classifier = load_skops(folder / "model.skops", trusted=trusted)
    # Models of earlier versions read no images through a network.
    return join_network(load_network(folder), classifier) if about.get("embeds") else classifier


def read_metadata(folder: Path, *, files: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return ``model.json``; parameters and errors as of `load_model`, versions left aside."""
    if files is not None:
        check_files(folder, files)
    path = folder / "model.json"
    if not path.is_file():
        raise BenchmarkError(f"{str(folder)!r} holds no model: model.json is missing.")
    try:
        about: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BenchmarkError(f"{path} is damaged ({error}). Copy the model again.") from None
    if about.get("schema_version") != SCHEMA_VERSION:
        raise BenchmarkError(
            f"{path} has schema version {about.get('schema_version')!r}, this sonobench reads "
            f"{SCHEMA_VERSION}. Load it with sonobench {about.get('sonobench', 'of its time')}."
        )
    return about


def hash_files(folder: Path, names: Iterable[str] | None = None) -> dict[str, str]:
    """Return the SHA-256 of files in a folder.

    Parameters
    ----------
    folder : Path
        Existing folder.
    names : iterable of str, optional
        Those to hash where they exist; by default all but the hidden ones that systems leave.
    """
    files = sorted(path for path in folder.iterdir() if path.is_file())
    wanted = (
        {path.name for path in files if not path.name.startswith(".")}
        if names is None
        else set(names)
    )
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if path.name in wanted
    }


def check_files(folder: Path, files: Mapping[str, str], *, alone: bool = True) -> None:
    """Check that a folder holds these files, to the byte.

    Parameters
    ----------
    folder : Path
        Of a model.
    files : mapping of str to str
        Name -> SHA-256.
    alone : bool, default=True
        Whether there must be no others.

    Raises
    ------
    BenchmarkError
        Naming the first file that is missing, does not belong there, or was changed.
    """
    found = hash_files(folder, None if alone else files) if folder.is_dir() else {}
    advice = "Copy the run folder again, or start benchmark run on it to make the model anew."
    for name, digest in files.items():
        if name not in found:
            raise BenchmarkError(f"{name} is missing in {str(folder)!r}. {advice}")
        if found[name] != digest:
            raise BenchmarkError(
                f"{str(folder / name)!r} is not the file that the run wrote: its SHA-256 differs "
                f"from the one in run.json. {advice}"
            )
    extra = sorted(found.keys() - files.keys())
    if extra:
        raise BenchmarkError(
            f"{str(folder / extra[0])!r} is no file of the run: run.json does not name it. "
            "Remove it."
        )


def _types_of(model: object) -> tuple[str, ...]:
    """Return what the installed model of a name trusts; a file cannot add to it."""
    return MODELS.get(model).trusted_types if isinstance(model, str) and model in MODELS else ()


def _packages_of(network: FusionNetworkClassifier) -> list[str]:
    """Return the packages that a network needs: the compact backbone is of our own making."""
    needs_timm = network.image_columns and network.backbone != "compact"
    needs_sklearn = network.encoder_ is not None
    return [
        "torch",
        *(["timm"] if needs_timm else []),
        *(["scikit-learn"] if needs_sklearn else []),
    ]


def _packages_in(path: Path) -> list[str]:
    """Return the packages whose types a skops file holds."""
    with zipfile.ZipFile(path) as archive:
        schema = archive.read("schema.json").decode("utf-8")
    modules = set(re.findall(r'"__module__": "(\w+)', schema))
    return [name for module, name in PACKAGES.items() if module in modules]


def _check_versions(folder: Path, versions: Mapping[str, str]) -> None:
    for name, written in versions.items():
        here = _installed(name)
        if _comparable(name, here) != _comparable(name, written):
            raise BenchmarkError(
                f"The model in {str(folder)!r} was written with {name} {written}, but "
                f"{here or 'none'} is installed. To use it: pip install {name}=={written}"
            )


def _installed(name: str) -> str:
    """Return the installed version without its build, such as ``+cpu``; "" if there is none."""
    try:
        return version(name).split("+")[0]
    except PackageNotFoundError:
        return ""


def _comparable(name: str, number: str) -> str:
    return ".".join(number.split(".")[:2]) if name in TENSOR_PACKAGES else number
