"""Which models are kept, and when they are made again."""

from __future__ import annotations

from typing import Any

import pytest

from benchmark import load, run
from benchmark._kept_models import kept_lines
from cohorts import BenchmarkError, Cohort

from support import prepared


class TestKeeping:
    """Which models are kept, and when they are made again."""

    def prepare(self, cohort: Cohort, which: str, **values: Any):
        rows = ["logistic_regression", "knn"]
        return prepared(cohort, ["clinical", "tabular"], rows, final_models=which, **values)

    def test_a_sound_model_is_not_fitted_again_and_a_damaged_one_is(
        self, small_cohort, tmp_path, monkeypatch
    ):
        """A second start takes over what is whole, and adds what is asked for more."""
        from benchmark import _final_models

        fitted: list[str] = []
        original = _final_models.fit_final

        def spy(task):
            fitted.append(task.cell.key)
            return original(task)

        monkeypatch.setattr("benchmark._final_models.fit_final", spy)
        run(self.prepare(small_cohort, "leading"), out=tmp_path, n_jobs=1)
        assert len(fitted) == 1
        run(self.prepare(small_cohort, "all"), out=tmp_path, n_jobs=1)
        assert len(fitted) == len(set(fitted)) == 4
        path = tmp_path / "models" / fitted[0] / "model.skops"
        path.write_bytes(path.read_bytes()[:-1])
        run(self.prepare(small_cohort, "leading"), out=tmp_path, n_jobs=1)
        assert fitted[4:] == [fitted[0]]
        assert len(load(tmp_path).models) == 4

    def test_a_failure_at_the_very_end_loses_no_board(self, small_cohort, tmp_path, monkeypatch):
        """What cannot be written about new cases is said when they come, and made good later."""

        def full(*_: Any) -> None:
            raise OSError("No space left on device")

        ready = self.prepare(small_cohort, "leading")
        with monkeypatch.context() as patch:
            patch.setattr("benchmark._final_models.describe_seen", full)
            done = run(ready, out=tmp_path, n_jobs=1)
        assert len(done.leaderboard) == 4
        with pytest.raises(BenchmarkError, match=r"failed \(OSError: No space left on device\)"):
            _ = load(tmp_path).columns
        assert "They cannot be used yet" in list(kept_lines(tmp_path))[-1]
        run(ready, out=tmp_path, n_jobs=1)
        assert load(tmp_path).columns[0] == "case"

    def test_too_few_positives_support_no_threshold(self, small_cohort, tmp_path):
        """The reason is kept, and every decision says that there is none."""
        evaluation = {"target_sensitivity": 0.99}
        ready = self.prepare(small_cohort, "leading", evaluation=evaluation)
        run(ready, out=tmp_path, n_jobs=1)
        predictor = load(tmp_path)
        point = predictor.operating_point()
        assert point["threshold"] is point["found"] is point["left_alone"] is None
        (line, _) = kept_lines(tmp_path)
        assert line.endswith(f"; no threshold: {point['reason']}")
        # Thirty cases of twenty patients.
        assert point["reason"] == (
            "20 patients with malignant are too few to support a sensitivity of 0.99"
        )
        answer = predictor.predict({"case": "x", "age": 60, "marker": 2.0})
        assert answer["flagged"].tolist() == ["no threshold"]
        assert answer["threshold"].isna().all()
