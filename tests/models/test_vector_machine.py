"""The calibrated support vector machine."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import make_classification
from sklearn.metrics import roc_auc_score
from sklearn.svm import SVC
from sklearn.utils.estimator_checks import parametrize_with_checks

from models.classical._vector_machine import CalibratedVectorMachine


@parametrize_with_checks([CalibratedVectorMachine()])
def test_scikit_learn_contract(estimator, check):
    """It is a scikit-learn classifier."""
    check(estimator)


def test_calibration_folds_never_split_a_patient(monkeypatch):
    """Scores that a sigmoid is fitted to come from machines that saw nothing of the patient."""
    X, y = make_classification(120, 6, n_informative=4, n_classes=3, random_state=0)
    patients = np.repeat(np.arange(60), 2)
    seen = []
    fit = SVC.fit

    def spy(self, X, y, sample_weight=None):
        seen.append({row.tobytes() for row in X})
        return fit(self, X, y, sample_weight)

    monkeypatch.setattr(SVC, "fit", spy)
    CalibratedVectorMachine().fit(X, y, groups=patients)
    partial = [rows for rows in seen if len(rows) < len(X)]
    assert len(partial) == 9
    for rows in partial:
        inside = np.array([row.tobytes() in rows for row in X])
        assert (inside[0::2] == inside[1::2]).all()


def test_one_machine_for_each_class_ranks_better_than_votes():
    """On noisy classes the AUC against the rest is higher than that of pairwise votes."""
    X, y = make_classification(
        900, 20, n_informative=6, n_classes=3, flip_y=0.3, class_sep=0.7, random_state=1
    )
    machine = CalibratedVectorMachine().fit(X[:600], y[:600])
    votes = SVC(class_weight="balanced").fit(X[:600], y[:600]).decision_function(X[600:])
    auc = [
        np.mean([roc_auc_score(y[600:] == k, scores[:, k]) for k in range(3)])
        for scores in (machine.predict_proba(X[600:]), votes)
    ]
    assert auc[0] > auc[1]


@pytest.mark.parametrize("constant", [np.zeros((30, 2)), np.ones((30, 1))])
def test_columns_without_variance_can_be_fitted(constant):
    """A fold whose columns are all constant has a machine, which knows nothing."""
    proba = CalibratedVectorMachine().fit(constant, [0, 1] * 15).predict_proba(constant)
    assert np.ptp(proba, axis=0).max() == pytest.approx(0, abs=1e-9)


def test_classes_of_few_patients_take_fewer_folds_or_are_refused():
    """Two patients of a class make two folds; one is named as the reason of the failure."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 3))
    y = np.r_[np.zeros(20), np.ones(18), 2, 2].astype(int)
    proba = CalibratedVectorMachine().fit(X, y, groups=np.arange(40)).predict_proba(X)
    assert proba.shape == (40, 3)
    with pytest.raises(ValueError, match="one patient in this training part"):
        CalibratedVectorMachine().fit(X, y, groups=np.r_[np.arange(39), 38])
