"""What simulated patients are asked and measured: 25 history features, 10 laboratory values.

Every feature is a latent normal value, moved by the class and shared in part with other
features through common factors, and then recorded on its own scale: a Gaussian copula.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from cohorts._cohort import Column, ColumnKind

__all__ = [
    "CLINICAL",
    "FACTORS",
    "MOLECULAR",
    "N_OWN",
    "SIMULATED_CLASSES",
    "Feature",
    "Gaussian",
    "LogGaussian",
    "Scale",
]

SIMULATED_CLASSES = ("normal", "benign", "malignant")

# What makes features of one patient agree with each other, whatever the class.
FACTORS = ("ageing", "adiposity", "childbearing", "tumour_activity")

# Standard normals that belong to one case and no feature: the labels of a set need them.
N_OWN = 8


class Scale(Protocol):
    """A monotone way from a latent normal value to a recorded one."""

    @property
    def kind(self) -> ColumnKind:
        """Kind of the recorded column."""

    def record(self, latent: NDArray[np.float64], own: NDArray[np.float64], /) -> NDArray[Any]:
        """Return the recorded values of n cases.

        `latent` has shape (n,); `own` of shape (n, `N_OWN`) are more standard normals of
        each case, for a scale that needs them.
        """


@dataclass(frozen=True, slots=True)
class Gaussian:
    """Normal around `mean`, kept inside [`low`, `high`] and rounded to `digits`."""

    mean: float
    sd: float
    low: float
    high: float
    digits: int = 0
    kind: ClassVar[ColumnKind] = ColumnKind.NUMERIC

    def record(self, latent: NDArray[np.float64], _: NDArray[np.float64], /) -> NDArray[Any]:
        """Return the recorded values of n cases."""
        return np.clip(self.mean + self.sd * latent, self.low, self.high).round(self.digits)


@dataclass(frozen=True, slots=True)
class LogGaussian:
    """Log-normal around `median`; one latent unit multiplies by `spread`."""

    median: float
    spread: float
    low: float
    high: float
    digits: int = 1
    kind: ClassVar[ColumnKind] = ColumnKind.NUMERIC

    def record(self, latent: NDArray[np.float64], _: NDArray[np.float64], /) -> NDArray[Any]:
        """Return the recorded values of n cases."""
        values = self.median * self.spread**latent
        return np.clip(values, self.low, self.high).round(self.digits)


@dataclass(frozen=True, slots=True)
class Levels:
    """Ordered levels; `shares` are their frequencies where the latent mean is zero."""

    values: tuple[str, ...] | tuple[float, ...]
    shares: tuple[float, ...]
    kind: ColumnKind = ColumnKind.CATEGORICAL

    def record(self, latent: NDArray[np.float64], _: NDArray[np.float64], /) -> NDArray[Any]:
        """Return the recorded values of n cases."""
        cuts = ndtri(np.cumsum(self.shares)[:-1])
        dtype = object if self.kind is ColumnKind.CATEGORICAL else np.float64
        return np.asarray(self.values, dtype=dtype)[np.searchsorted(cuts, latent)]


@dataclass(frozen=True, slots=True)
class Labels:
    """A set of labels: label -> (frequency where the latent mean is zero, loading).

    A label's loading in [0, 1) is its correlation with the feature's latent value; the
    rest is its own. At most `N_OWN` labels.
    """

    labels: Mapping[str, tuple[float, float]]
    kind: ClassVar[ColumnKind] = ColumnKind.MULTI_LABEL

    def record(self, latent: NDArray[np.float64], own: NDArray[np.float64], /) -> NDArray[Any]:
        """Return the labels of n cases, each set joined by ``&``."""
        shares, loads = np.array(list(self.labels.values())).T
        rest = np.sqrt(1 - loads**2) * own[:, : len(shares)]
        present = loads * latent[:, None] + rest > -ndtri(shares)
        names = np.array(list(self.labels), dtype=object)
        return np.array(["&".join(names[row]) for row in present], dtype=object)


@dataclass(frozen=True, slots=True)
class Feature:
    """One simulated feature.

    Attributes
    ----------
    name, unit, description : str
        As in `Column`.
    scale : Scale
        How a latent value is recorded.
    shifts : tuple of (float, float, float)
        Latent mean in the classes normal, benign and malignant, in within-class standard
        deviations.
    missing : float
        Share of cases in which it was not recorded, in [0, 1].
    loads : mapping of str to float
        Loading on each of `FACTORS` that it shares; the squares sum to at most 1.
    """

    name: str
    unit: str
    description: str
    scale: Scale
    shifts: tuple[float, float, float]
    missing: float
    loads: Mapping[str, float]

    @property
    def effect(self) -> float:
        """Latent mean of malignant minus the mean of normal and benign."""
        normal, benign, malignant = self.shifts
        return round(malignant - (normal + benign) / 2, 6)

    @property
    def column(self) -> Column:
        """The recorded column."""
        return Column(self.name, self.scale.kind, self.unit, self.description)


def _numeric(
    name: str,
    unit: str,
    scale: Scale,
    shifts: tuple[float, float, float],
    missing: float,
    description: str,
    **loads: float,
) -> Feature:
    return Feature(name, unit, description, scale, shifts, missing, loads)


def _flag(
    name: str,
    share: float,
    shifts: tuple[float, float, float],
    missing: float,
    description: str,
    **loads: float,
) -> Feature:
    scale = Levels((0.0, 1.0), (1 - share, share), ColumnKind.BOOLEAN)
    return _choice(name, scale, shifts, missing, description, **loads)


def _choice(
    name: str,
    scale: Scale,
    shifts: tuple[float, float, float],
    missing: float,
    description: str,
    **loads: float,
) -> Feature:
    return Feature(name, "", description, scale, shifts, missing, loads)


_BIRTHS = Levels(
    (0.0, 1.0, 2.0, 3.0, 4.0, 5.0), (0.2, 0.22, 0.34, 0.15, 0.06, 0.03), ColumnKind.NUMERIC
)
_SMOKING = Levels(("never", "former", "current"), (0.6, 0.22, 0.18))
_DENSITY = Levels(("a", "b", "c", "d"), (0.12, 0.4, 0.38, 0.1))
_ACTIVITY = Levels(("low", "moderate", "high"), (0.35, 0.45, 0.2))
_BLOOD_GROUP = Levels(("O", "A", "B", "AB"), (0.42, 0.38, 0.14, 0.06))
_HANDEDNESS = Levels(("right", "left", "both"), (0.88, 0.1, 0.02))
_SYMPTOMS = Labels(
    {
        "lump": (0.35, 0.85),
        "nipple_discharge": (0.08, 0.5),
        "nipple_retraction": (0.05, 0.75),
        "skin_change": (0.05, 0.7),
        "axillary_swelling": (0.05, 0.65),
        "pain": (0.3, 0.0),
    }
)

# Zero shifts on purpose: the same in every class and shared with no other feature, so that
# an explanation which names one of them has found noise.
_NONE = (0.0, 0.0, 0.0)

# One feature, one entry: a table is easier to check than a column of arguments.
# fmt: off
CLINICAL: tuple[Feature, ...] = (
    _numeric("age", "years", Gaussian(48, 11, 21, 90), (0.0, -0.2, 0.8), 0.02,
             "Age at examination", ageing=0.95),
    _numeric("body_mass_index", "kg/m²", LogGaussian(26, 1.18, 16, 50), (0.0, -0.05, 0.2), 0.05,
             "Weight over squared height", adiposity=0.9),
    _numeric("waist_circumference", "cm", Gaussian(88, 11, 58, 140), (0.0, -0.05, 0.2), 0.18,
             "Waist measured midway between rib and hip", adiposity=0.8, ageing=0.15),
    _numeric("age_at_menarche", "years", Gaussian(12.9, 1.4, 9, 18), (0.05, 0.0, -0.25), 0.1,
             "Age at first menstruation"),
    _flag("postmenopausal", 0.45, (0.0, -0.15, 0.65), 0.03,
          "No menstruation for twelve months", ageing=0.9),
    _numeric("number_of_births", "births", _BIRTHS, (0.1, 0.0, -0.2), 0.04,
             "Births after the 24th week", childbearing=0.95, ageing=0.2),
    _numeric("breastfeeding_duration", "months", Gaussian(8, 9, 0, 72), (0.1, 0.05, -0.3), 0.15,
             "Months of breastfeeding over all children", childbearing=0.85),
    _flag("oral_contraceptive_use", 0.4, (0.0, 0.05, 0.1), 0.08,
          "Hormonal contraception in the last five years", ageing=-0.4),
    _flag("hormone_replacement_therapy", 0.14, (0.0, 0.0, 0.4), 0.06,
          "Menopausal hormone therapy in the last five years", ageing=0.5),
    _flag("family_history_breast", 0.14, (-0.05, 0.0, 0.6), 0.04,
          "Breast cancer in a mother, sister or daughter"),
    _flag("family_history_ovarian", 0.04, (0.0, 0.0, 0.25), 0.06,
          "Ovarian cancer in a mother, sister or daughter"),
    _flag("previous_breast_biopsy", 0.15, (-0.15, 0.2, 0.5), 0.03,
          "Any earlier breast biopsy, whatever it found"),
    _flag("diabetes", 0.09, (0.0, 0.0, 0.1), 0.03,
          "Diagnosed diabetes mellitus", adiposity=0.4, ageing=0.3),
    _choice("smoking_status", _SMOKING, (0.0, 0.0, 0.15), 0.07, "Cigarette smoking"),
    _choice("physical_activity", _ACTIVITY, (0.1, 0.05, -0.25), 0.14,
            "Leisure activity by questionnaire", adiposity=-0.3),
    _choice("breast_density", _DENSITY, (-0.1, 0.1, 0.4), 0.2,
            "Density on the last mammogram, BI-RADS a to d", ageing=-0.4, adiposity=-0.3),
    _numeric("alcohol_intake", "g/week", LogGaussian(25, 2.6, 0, 400, 0), (0.0, 0.0, 0.15), 0.16,
             "Average alcohol intake in the last year"),
    _numeric("screening_interval", "months", LogGaussian(20, 1.8, 1, 180, 0), (-0.15, -0.05, 0.45),
             0.22, "Months since the last breast imaging"),
    _choice("symptoms", _SYMPTOMS, (-0.45, 0.15, 0.85), 0.03,
            "Complaints at presentation; none recorded is an empty set"),
    _numeric("resting_heart_rate", "1/min", Gaussian(72, 9, 44, 115), _NONE, 0.09,
             "Pulse at rest"),
    _numeric("sleep_duration", "h/night", Gaussian(7.1, 1.0, 3, 11, 1), _NONE, 0.19,
             "Usual sleep by questionnaire"),
    _flag("appendectomy", 0.12, _NONE, 0.05, "Appendix removed"),
    _flag("allergy_history", 0.27, _NONE, 0.07, "Any recorded allergy"),
    _choice("blood_group", _BLOOD_GROUP, _NONE, 0.12, "AB0 blood group"),
    _choice("handedness", _HANDEDNESS, _NONE, 0.1, "Preferred hand"),
)

MOLECULAR: tuple[Feature, ...] = (
    _numeric("ca_15_3", "U/mL", LogGaussian(17, 1.6, 2, 400), (0.0, 0.1, 0.9), 0.03,
             "Cancer antigen 15-3 in serum", tumour_activity=0.4),
    _numeric("cea", "ng/mL", LogGaussian(1.7, 1.8, 0.2, 80), (0.0, 0.05, 0.5), 0.03,
             "Carcinoembryonic antigen in serum", tumour_activity=0.4, ageing=0.15),
    _numeric("her2_ecd", "ng/mL", LogGaussian(9.5, 1.35, 2, 120), (0.0, 0.0, 0.5), 0.1,
             "HER2 extracellular domain in serum", tumour_activity=0.3),
    _numeric("cell_free_dna", "ng/mL", LogGaussian(6, 1.9, 0.5, 200), (0.0, 0.1, 0.8), 0.13,
             "Cell-free DNA in plasma", tumour_activity=0.35),
    _numeric("c_reactive_protein", "mg/L", LogGaussian(1.6, 2.6, 0.1, 150), (0.0, 0.05, 0.25), 0.02,
             "High-sensitivity C-reactive protein in serum", adiposity=0.4),
    _numeric("glucose", "mmol/L", LogGaussian(5.2, 1.13, 3.4, 18), (0.0, 0.0, 0.2), 0.02,
             "Fasting glucose in plasma", adiposity=0.45, ageing=0.2),
    _numeric("leptin", "ng/mL", LogGaussian(14, 2.0, 0.5, 150), (0.0, 0.0, 0.25), 0.12,
             "Leptin in serum", adiposity=0.7),
    _numeric("adiponectin", "µg/mL", LogGaussian(9.5, 1.6, 1, 60), (0.05, 0.0, -0.5), 0.12,
             "Adiponectin in serum", adiposity=-0.45),
    _numeric("thyrotropin", "mIU/L", LogGaussian(1.8, 1.7, 0.1, 20, 2), _NONE, 0.04,
             "Thyroid-stimulating hormone in serum"),
    _numeric("sodium", "mmol/L", Gaussian(140, 2.4, 128, 152), _NONE, 0.02,
             "Sodium in serum"),
)
# fmt: on
