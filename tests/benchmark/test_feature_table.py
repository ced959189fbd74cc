"""The feature table says of every feature what the code says of it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from benchmark._feature_table import feature_table
from benchmark.cli import main
from features.radiomics import FIRST_ORDER, GLCM, GLDZM, GLRLM, GLSZM, NGLDM, NGTDM
from features.radiomics._families import TWINS


def test_every_standardised_feature_has_its_code():
    """Each IBSI feature of the block stands in the table with its code, unit and section."""
    table = feature_table().query("block == 'radiomics'").set_index("feature")
    families = {
        "firstorder": FIRST_ORDER,
        "glcm": GLCM,
        "glrlm": GLRLM,
        "glszm": GLSZM,
        "gldzm": GLDZM,
        "ngldm": NGLDM,
        "ngtdm": NGTDM,
    }
    for family, codes in families.items():
        for name, code in codes.items():
            if name not in TWINS.get(family, ()):
                row = table.loc[f"{family}_{name}"]
                assert row["ibsi"] == code
                assert "IBSI reference manual, section 3." in row["formula or source"]
    assert table.loc["shape_area", "unit"] == "mm² or px²"
    assert table.loc["firstorder_variance", "unit"] == "grey levels²"


def test_nothing_is_left_undescribed():
    """Every row has a formula or source; masks and embeddings take a row each."""
    table = feature_table()
    assert table["formula or source"].str.len().gt(0).all()
    blocks = table["block"].value_counts()
    single = ("radiomics_mask", "embedding", "embedding_finetuned")
    assert [blocks[name] for name in single] == [1, 1, 1]
    assert "as in radiomics" in table.set_index("block").loc["radiomics_mask", "formula or source"]
    encoded = table[table["block"] == "<modality>"]["feature"].tolist()
    assert "<numeric> missing" in encoded
    assert "<multi_label>: <label>" in encoded


def test_the_table_is_printed(capsys):
    """`benchmark list features --describe` prints a line for each row, columns aligned."""
    assert main(["list", "features", "--describe"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + len(feature_table())
    start = lines[0].index("formula or source")
    assert all(line[start - 2 : start] == "  " for line in lines[1:])


def test_other_listings_have_no_table(capsys):
    """Asked for a table of models, the command says what it has one of."""
    assert main(["list", "models", "--describe"]) == 2
    assert "benchmark list features --describe" in capsys.readouterr().err


@pytest.mark.parametrize("column", ["block", "feature", "family", "unit", "ibsi"])
def test_columns_are_text(column):
    """No cell is missing: an empty one is the empty text."""
    assert feature_table()[column].map(type).eq(str).all()


def test_the_table_can_be_piped_to_a_reader_that_stops():
    """`benchmark list features --describe | head` ends without a word of complaint."""
    command = f"{sys.executable} -m benchmark list features --describe | head -3"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == 3
