"""Names are found, or the nearest one is offered."""

from __future__ import annotations

import pytest

from cohorts import BenchmarkError, Registry


@pytest.fixture
def shelf() -> Registry[object]:
    shelf: Registry[object] = Registry("model")

    @shelf.register("random_forest")
    class RandomForest:
        pass

    @shelf.register("svm")
    class Machine:
        pass

    return shelf


def test_components_are_instances_that_know_their_name(shelf):
    """The decorator files an instance and tells it its name."""
    assert shelf.get("svm").name == "svm"
    assert shelf.names() == ("random_forest", "svm")
    assert "svm" in shelf


def test_unknown_name_offers_the_nearest_and_says_where(shelf):
    """The message has what came, where it stood, the nearest name, and where to look."""
    message = (
        r"Unknown model 'random_forrest' in run\.yaml\. Did you mean 'random_forest'\? "
        r"Known: random_forest, svm\. See: benchmark list models"
    )
    with pytest.raises(BenchmarkError, match=message):
        shelf.get("random_forrest", where="run.yaml")


def test_a_name_is_given_once(shelf):
    """Two components of one name would hide each other."""
    with pytest.raises(ValueError, match="'svm' is already registered"):
        shelf.register("svm")(type("Other", (), {}))
