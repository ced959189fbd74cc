"""What is read from the cache is what was computed, whatever happened in between."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cohorts import BenchmarkError
from features import (
    CacheKey,
    CacheWarning,
    FeatureCache,
    ImagingOptions,
    build_blocks,
    list_files,
    load_pixels,
)
from features._cache import TOUCH_AFTER_S, _decode, _encode

# Writers of `cache_processes.py` that kill themselves with a file half done.
N_DYING = 4

ROOT = Path(__file__).parents[2]
KEY = CacheKey("e-v1", "ab" * 32)
VALUES = np.linspace(0, 1, 50)


def entry(folder: Path) -> Path:
    """Return the path of the one entry."""
    (path,) = folder.rglob("*.npy")
    return path


@pytest.fixture(scope="module")
def processes(tmp_path_factory) -> dict[str, Any]:
    """Run the script of processes beside this file once; what it found, and where."""
    folder = tmp_path_factory.mktemp("processes")
    script = Path(__file__).with_name("cache_processes.py")
    ran = subprocess.run(
        [sys.executable, str(script), str(folder)],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    return json.loads(ran.stdout) | {"folder": folder}


@pytest.mark.parametrize("dtype", ["f8", "f4", "i8", "?"])
@pytest.mark.parametrize("shape", [(), (0,), (5,), (2, 3)])
def test_what_is_stored_is_loaded(tmp_path, dtype, shape):
    """Values, type and shape."""
    values = np.random.default_rng(0).normal(size=shape).astype(dtype)
    cache = FeatureCache(tmp_path)
    assert cache.load(KEY) is None
    cache.store(KEY, values)
    loaded = cache.load(KEY)
    assert loaded.dtype == values.dtype
    assert loaded.shape == values.shape
    assert np.array_equal(loaded, values)
    assert cache.load_many([KEY, CacheKey("e-v2", KEY.digest)]).keys() == {KEY}


def test_the_layout_shows_extractor_and_version(tmp_path, small_cohort):
    """A folder for each, whatever the extractor is called; another version is another key."""
    cache = FeatureCache(tmp_path)
    (record,) = small_cohort.images[0].records[0]
    key = cache.key(record, extractor="../my/one", settings={"version": 3})
    cache.store(key, VALUES)
    assert entry(tmp_path).relative_to(tmp_path).parts[:2] == ("features", "..%2Fmy%2Fone-v3")
    (found,) = list_files(tmp_path)
    assert (found.extractor, found.version, found.kind) == ("../my/one", "3", "entry")
    assert cache.key(record, extractor="../my/one", settings={"version": 4}).digest != key.digest


@given(st.integers(min_value=0), st.integers(0, 7))
def test_a_single_flipped_bit_is_noticed(position, bit):
    """Wherever it is, in header, values or checksum."""
    content = bytearray(_encode(VALUES, KEY))
    assert np.array_equal(_decode(bytes(content), KEY), VALUES)
    content[position % len(content)] ^= 1 << bit
    assert _decode(bytes(content), KEY) is None


@given(st.integers(min_value=0))
def test_a_torn_entry_is_noticed(length):
    """Whatever part of it reached the disk."""
    content = _encode(VALUES, KEY)
    assert _decode(content[: length % len(content)], KEY) is None


@pytest.mark.parametrize("damage", ["truncated", "empty", "plain npy", "of another key"])
def test_a_damaged_entry_is_computed_again(tmp_path, damage):
    """It counts as absent, is removed, and can be stored anew."""
    cache = FeatureCache(tmp_path)
    cache.store(KEY, VALUES)
    path = entry(tmp_path)
    whole = path.read_bytes()
    other = _encode(VALUES, CacheKey(KEY.group, "cd" * 32))
    plain = whole[: len(whole) - 20]
    path.write_bytes(
        {"truncated": whole[:-30], "empty": b"", "plain npy": plain, "of another key": other}[
            damage
        ]
    )
    assert cache.load(KEY) is None
    assert not path.exists()
    cache.store(KEY, VALUES)
    assert np.array_equal(cache.load(KEY), VALUES)


def test_an_entry_is_a_npy_file_to_others(tmp_path):
    """It is read by numpy as it is; the checksum stands behind the values."""
    FeatureCache(tmp_path).store(KEY, VALUES)
    assert np.array_equal(np.load(entry(tmp_path)), VALUES)


def test_processes_share_a_cache(processes):
    """Two store the same and different keys while a third reads: never a wrong or broken entry."""
    found = processes["shared"]
    assert found["meanwhile"]["wrong"] == 0
    assert found["meanwhile"]["right"] > 0
    assert found["after"] == {"right": 24, "wrong": 0, "absent": 0}
    assert found["files"] == [".npy"]


def test_killed_processes_leave_no_wrong_entry(processes):
    """After kill -9 at any moment an entry is right or absent, and can be stored again."""
    found = processes["killed"]
    assert found["killed"]["wrong"] == 0
    assert found["killed"]["right"] > 0
    assert found["after"] == {"right": 8, "wrong": 0, "absent": 0}
    # Those killed before they renamed have left their file, which nothing reads.
    assert found["files"] == [".npy", ".tmp"]
    kinds = [file.kind for file in list_files(processes["folder"] / "killed")]
    assert kinds.count("entry") == 8
    assert kinds.count("temporary") >= N_DYING


def test_a_folder_that_cannot_be_written_is_said_once(tmp_path):
    """A file in the way: everything is computed, nothing is kept, and one warning says so."""
    (tmp_path / "file").write_text("in the way")
    cache = FeatureCache(tmp_path / "file" / "cache")
    with pytest.warns(CacheWarning, match=r"file/cache' cannot be written \(.*SONOBENCH_CACHE"):
        cache.store(KEY, VALUES)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cache.store(KEY, VALUES)
        assert cache.load(KEY) is None


def test_a_full_disk_is_said_once(tmp_path):
    """Where a file cannot grow, what was begun is removed and what was stored is still read."""
    cache = FeatureCache(tmp_path)
    cache.store(KEY, VALUES)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.warns(CacheWarning, match="cannot be written"):
            cache.store(CacheKey("e-v1", "cd" * 32), np.zeros(1000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [path.suffix for path in tmp_path.rglob("*") if path.is_file()] == [".npy"]
    assert np.array_equal(cache.load(KEY), VALUES)


def test_features_do_not_need_a_cache_that_can_be_written(small_cohort, tmp_path):
    """A block is the same with a cache, without one, and with one that cannot be written."""
    (tmp_path / "file").write_text("in the way")
    cohort = small_cohort.take(range(3))
    caches = [FeatureCache(None), FeatureCache(tmp_path), FeatureCache(tmp_path / "file")]

    def build(cache: FeatureCache):
        return build_blocks(cohort, ["radiomics"], options={}, cache=cache, random_state=0)

    frames = [build(cache)["radiomics"].frame for cache in caches[:2]]
    with pytest.warns(CacheWarning) as caught:
        frames.append(build(caches[2])["radiomics"].frame)
    assert len(caught) == 1
    assert frames[0].equals(frames[1])
    assert frames[0].equals(frames[2])


@pytest.mark.parametrize("backend", ["onnx", "torch"])
def test_embeddings_do_not_need_a_cache_that_can_be_written(small_cohort, tmp_path, backend):
    """Neither the numbers nor the graph of a backbone can be kept: one warning, same numbers."""
    if backend == "onnx":
        pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
    (tmp_path / "file").write_text("in the way")
    cohort = small_cohort.take(range(3))
    options = {"embedding": {"backbone": "compact", "image_size": 32, "backend": backend}}

    def build(cache: FeatureCache):
        blocks = build_blocks(cohort, ["embedding"], options=options, cache=cache, random_state=0)
        return blocks["embedding"].frame

    with pytest.warns(CacheWarning) as caught:
        unkept = build(FeatureCache(tmp_path / "file"))
    assert len(caught) == 1
    assert unkept.equals(build(FeatureCache(None)))


@pytest.mark.parametrize("name", ["radiomics", "radiomics_mask", "embedding"])
def test_other_imaging_is_another_entry(small_cohort, tmp_path, name):
    """No number of an image that was prepared otherwise is taken from the cache."""
    cohort, cache = small_cohort.take(range(3)), FeatureCache(tmp_path)
    options = {"embedding": {"backbone": "compact", "image_size": 32, "backend": "torch"}}
    frames = []
    for n, imaging in enumerate((ImagingOptions(), ImagingOptions(clahe=True)), start=1):
        blocks = build_blocks(
            cohort, [name], options=options, imaging=imaging, cache=cache, random_state=0
        )
        frames.append(blocks[name].frame)
        assert len(list(tmp_path.rglob("*.npy"))) == 3 * n
    assert not frames[0].equals(frames[1])


def test_an_image_that_vanished_is_named(small_cohort, tmp_path):
    """Deleted after the cohort was read: one sentence with its path."""
    (record,) = small_cohort.images[0].records[0]
    gone = replace(record, path=tmp_path / "gone.png")
    with pytest.raises(BenchmarkError, match=r"gone\.png' cannot be read any more"):
        FeatureCache(None).key(gone, extractor="e", settings={})
    with pytest.raises(BenchmarkError, match=r"gone\.png' cannot be read any more"):
        load_pixels([(gone,)], image_size=8)


def test_the_time_of_an_entry_says_when_it_was_used(tmp_path):
    """Loading touches an entry of yesterday, but not one of today."""
    cache = FeatureCache(tmp_path)
    cache.store(KEY, VALUES)
    stored = entry(tmp_path).stat().st_mtime
    for age, touched in ((TOUCH_AFTER_S / 2, False), (TOUCH_AFTER_S * 2, True)):
        os.utime(entry(tmp_path), (stored - age, stored - age))
        cache.load(KEY)
        assert (entry(tmp_path).stat().st_mtime >= stored) is touched
