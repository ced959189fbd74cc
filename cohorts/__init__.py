"""Patients come in: cohorts, their loaders, and the errors a user can cause."""

from cohorts._cohort import (
    BLOCK_SEPARATOR,
    UNLABELLED,
    Cohort,
    CohortInfo,
    Column,
    ColumnKind,
    ImageModality,
    ImageRecord,
    Note,
    TabularModality,
)
from cohorts._conform import conform_modalities, map_classes
from cohorts._errors import BenchmarkError, unknown_name
from cohorts._image_files import open_image
from cohorts._loading import COHORTS, CohortLoader, case_format, load_cohort, register_cohort
from cohorts._options import parse_options
from cohorts._overlap import Overlap, find_overlap
from cohorts._registry import Registry
from cohorts._storage import default_cache_dir, write_atomically
from cohorts._version import __version__

# importing registers the loaders, in the order of listings
# isort: off
from cohorts import _demo
from cohorts import _busi
from cohorts import _breast
from cohorts import _manifest

# isort: on
from cohorts._case_format import CaseFormat
from cohorts._new_cases import GivenCases, NewCases, read_new_cases

__all__ = [
    "BLOCK_SEPARATOR",
    "COHORTS",
    "UNLABELLED",
    "BenchmarkError",
    "CaseFormat",
    "Cohort",
    "CohortInfo",
    "CohortLoader",
    "Column",
    "ColumnKind",
    "GivenCases",
    "ImageModality",
    "ImageRecord",
    "NewCases",
    "Note",
    "Overlap",
    "Registry",
    "TabularModality",
    "__version__",
    "_breast",
    "_busi",
    "_demo",
    "_manifest",
    "case_format",
    "conform_modalities",
    "default_cache_dir",
    "find_overlap",
    "load_cohort",
    "map_classes",
    "open_image",
    "parse_options",
    "read_new_cases",
    "register_cohort",
    "unknown_name",
    "write_atomically",
]
