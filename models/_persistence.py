"""Models on disk, never pickled: skops for classical ones, safetensors for networks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import sklearn
import skops.io

from cohorts import BenchmarkError, __version__, write_atomically
from models._finetuned import join_network, split_network
from models._skops import load_skops
from models.networks import FusionNetworkClassifier, load_network, save_network

__all__ = ["TRUSTED_TYPES", "load_model", "save_model"]

# 2: encoders scale by `SteadyScaler` and know ordered levels.
SCHEMA_VERSION = 2

# Every type beyond skops' own list that a classical pipeline of ours can hold. A file that
# names another type is refused.
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


def save_model(classifier: Any, folder: Path, *, metadata: Mapping[str, Any]) -> None:
    """Write a fitted classifier and what is needed to read it back.

    Parameters
    ----------
    classifier : estimator
        A pipeline, a stacking or a network.
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
    else:
        skops.io.dump(rest, folder / "model.skops")
    if columns is not None:
        # Beside the rest, not below it, so that the hashes of a folder's files hold it too.
        save_network(columns.network_, folder)
    about = {
        "schema_version": SCHEMA_VERSION,
        "format": "network" if is_network else "skops",
        "embeds": columns is not None,
        "sonobench": __version__,
        "scikit-learn": sklearn.__version__,
        **metadata,
    }
    write_atomically(folder / "model.json", json.dumps(about, indent=1).encode("utf-8"))


def load_model(folder: Path) -> Any:
    """Read a classifier back; nothing in the folder is executed.

    Raises
    ------
    BenchmarkError
        If the folder holds no model of this schema and scikit-learn version, or the file
        names a type that no model of ours contains.
    """
    about = _read_metadata(folder)
    if about["scikit-learn"] != sklearn.__version__:
        raise BenchmarkError(
            f"The model in {str(folder)!r} was written with scikit-learn {about['scikit-learn']}, "
            f"this is {sklearn.__version__}. Install that version to use the model."
        )
    if about["format"] == "network":
        return load_network(folder)
    classifier = load_skops(folder / "model.skops", trusted=TRUSTED_TYPES)
    # Models of earlier versions read no images through a network.
    return join_network(load_network(folder), classifier) if about.get("embeds") else classifier


def _read_metadata(folder: Path) -> dict[str, Any]:
    path = folder / "model.json"
    if not path.is_file():
        raise BenchmarkError(f"{str(folder)!r} holds no model: model.json is missing.")
    about: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if about.get("schema_version") != SCHEMA_VERSION:
        raise BenchmarkError(
            f"{path} has schema version {about.get('schema_version')!r}, this sonobench reads "
            f"{SCHEMA_VERSION}. Load it with sonobench {about.get('sonobench', 'of its time')}."
        )
    return about
