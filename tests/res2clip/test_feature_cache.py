"""The feature cache: what is read back, and what survives kills, damage and full disks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from drawn_parts import save_parts

from res2clip import feature_cache
from res2clip.encoding import encode_files
from res2clip.feature_cache import FeatureCache
from res2clip_runtime.errors import ArtefactError, ArtefactNotFoundError, OutputError

FILL = """
import sys
from pathlib import Path
import res2clip
from res2clip.feature_cache import FeatureCache
model = res2clip.Res2CLIP(res2clip.load_backbone(sys.argv[1], image_size=40))
paths = sorted(Path(sys.argv[2]).iterdir())
with FeatureCache.open(Path(sys.argv[3]), model) as cache:
    print("ready", flush=True)
    cache.fill(paths, progress=lambda done, total: print(done, flush=True))
"""


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("pictures")
    save_parts(folder, 40, first_seed=0)
    return sorted(folder.iterdir())


def shards(place: Path) -> list[Path]:
    return sorted(place.glob("*/*.safetensors"))


def test_features_come_back_as_they_were_but_for_half_precision(
    tiny_model, pictures, tmp_path
) -> None:
    wanted = [pictures[i] for i in (3, 0, 17, 3)]
    expected = encode_files(tiny_model, wanted)
    with FeatureCache.open(tmp_path, tiny_model) as cache:
        cache.fill(pictures[:20])
    with FeatureCache.open(tmp_path, tiny_model) as again:
        assert again.missing(pictures) == tuple(pictures[20:])
        found = again.features(wanted)
    assert found.patches.dtype == found.image.dtype == np.float32
    np.testing.assert_allclose(found.patches, expected.patches, rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(found.image, expected.image, rtol=1e-3, atol=1e-6)


def test_the_size_that_is_told_is_the_size_on_disk(tiny_model, pictures, tmp_path) -> None:
    with FeatureCache.open(tmp_path, tiny_model) as cache:
        cache.fill(pictures)
        told = cache.bytes_of(len(pictures))
    written = sum(shard.stat().st_size for shard in shards(tmp_path))
    assert told < written < 1.1 * told


def test_a_picture_is_known_by_its_bytes_not_its_name(tiny_model, pictures, tmp_path) -> None:
    copy = tmp_path / "copy.png"
    copy.write_bytes(pictures[0].read_bytes())
    with FeatureCache.open(tmp_path / "cache", tiny_model) as cache:
        cache.fill(pictures[:1])
        assert cache.missing([copy]) == ()
        with pytest.raises(ArtefactNotFoundError, match="not in the feature cache"):
            cache.features([pictures[1]])


def test_what_another_writer_adds_is_found_and_double_work_is_harmless(
    tiny_model, pictures, tmp_path
) -> None:
    with (
        FeatureCache.open(tmp_path, tiny_model) as one,
        FeatureCache.open(tmp_path, tiny_model) as other,
    ):
        one.fill(pictures[:4])
        other.fill(pictures[:8])
        assert np.array_equal(
            one.features(pictures[:8]).patches, other.features(pictures[:8]).patches
        )
    assert len({shard.name.split("-")[0] for shard in shards(tmp_path)}) == 2


def test_a_fill_that_was_killed_goes_on_to_the_same_bits(
    tiny_model, tiny_checkpoint, pictures, tmp_path
) -> None:
    with FeatureCache.open(tmp_path / "undisturbed", tiny_model) as cache:
        cache.fill(pictures)
        expected = cache.features(pictures)
    place = tmp_path / "killed"
    command = [sys.executable, "-c", FILL, tiny_checkpoint, pictures[0].parent, place]
    with subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        while process.stdout.readline().strip() != "20":
            assert process.poll() is None
        process.send_signal(signal.SIGKILL)
    left = len(shards(place))
    assert 1 <= left < 3, "killed in the middle"
    with FeatureCache.open(place, tiny_model) as cache:
        assert cache.missing(pictures)
        cache.fill(pictures)
        found = cache.features(pictures)
    assert np.array_equal(found.patches, expected.patches)
    assert np.array_equal(found.image, expected.image)


def test_a_truncated_shard_is_removed_and_its_pictures_are_encoded_again(
    tiny_model, pictures, tmp_path, caplog
) -> None:
    with FeatureCache.open(tmp_path, tiny_model) as cache:
        cache.fill(pictures[:8])
        expected = cache.features(pictures[:8])
    (shard,) = shards(tmp_path)
    shard.write_bytes(shard.read_bytes()[:-1])
    with FeatureCache.open(tmp_path, tiny_model) as cache:
        assert shard.name in caplog.text
        assert len(cache.missing(pictures[:8])) == 8
        cache.fill(pictures[:8])
        assert np.array_equal(cache.features(pictures[:8]).patches, expected.patches)


def test_a_flipped_bit_is_an_error_that_names_the_file(tiny_model, pictures, tmp_path) -> None:
    with FeatureCache.open(tmp_path, tiny_model) as cache:
        cache.fill(pictures[:2])
    (shard,) = shards(tmp_path)
    data = bytearray(shard.read_bytes())
    data[-3] ^= 1
    shard.write_bytes(data)
    with (
        FeatureCache.open(tmp_path, tiny_model) as cache,
        pytest.raises(ArtefactError, match=f"{shard.name}.*delete that file"),
    ):
        cache.features(pictures[:2])


def test_a_disk_that_is_too_small_is_told_before_encoding(
    tiny_model, pictures, tmp_path, monkeypatch
) -> None:
    class Usage:
        free = 10

    monkeypatch.setattr(feature_cache.shutil, "disk_usage", lambda path: Usage)
    with (
        FeatureCache.open(tmp_path, tiny_model) as cache,
        pytest.raises(OutputError, match=r"40 pictures.*--cache"),
    ):
        cache.fill(pictures)
    assert not shards(tmp_path)


def test_what_killed_writers_left_is_removed_once_it_is_old(tiny_model, pictures, tmp_path) -> None:
    with FeatureCache.open(tmp_path, tiny_model) as cache:
        old, new = (cache.folder / f".x-00000{i}.safetensors.tmp" for i in range(2))
        old.touch()
        new.touch()
        hours_ago = time.time() - 7200
        os.utime(old, (hours_ago, hours_ago))
        cache.fill(pictures[:1])
        assert not old.exists()
        assert new.exists(), "another process may be writing it"
