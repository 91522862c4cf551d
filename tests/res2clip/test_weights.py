"""Every layout of a checkpoint gives the same tensors, and none of them can run code."""

from __future__ import annotations

import os
import pickle
import warnings
import zipfile
from pathlib import Path

import pytest
import torch
from golden.checkpoint import TINY, clip_tensors

import res2clip
from res2clip.archive import is_torchscript_archive
from res2clip.weights import clip_sizes, read_tensors, tensors_digest
from res2clip_runtime.errors import ArtefactError, ArtefactNotFoundError


@pytest.fixture(scope="module")
def tensors() -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(value) for name, value in clip_tensors(5, TINY).items()}


def nested_module(tensors: dict[str, torch.Tensor]) -> torch.nn.Module:
    """A module tree with parameters of these dotted names, as OpenAI's archives hold."""

    class Node(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x

    root = Node()
    for name, value in tensors.items():
        *parents, leaf = name.split(".")
        node = root
        for parent in parents:
            if parent not in dict(node.named_children()):
                node.add_module(parent, Node())
            node = getattr(node, parent)
        node.register_parameter(leaf, torch.nn.Parameter(value.clone(), requires_grad=False))
    return root


@pytest.fixture(scope="module")
def archive(tensors, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("archive") / "ViT-tiny.pt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is deprecated, OpenAI's files remain
        torch.jit.save(torch.jit.trace(nested_module(tensors).half(), torch.zeros(1)), path)
    return path


def test_a_torchscript_archive_gives_its_tensors(archive: Path, tensors) -> None:
    assert is_torchscript_archive(archive)
    found = read_tensors(archive)
    assert set(found) == set(tensors)
    for name, value in tensors.items():
        assert found[name].dtype == torch.float32
        assert torch.equal(found[name], value.half().float()), name


def test_a_state_dict_gives_its_tensors(tensors, tmp_path) -> None:
    torch.save(tensors, tmp_path / "plain.pt")
    torch.save(
        {"state_dict": {f"module.{k}": v for k, v in tensors.items()}}, tmp_path / "trained.pt"
    )
    for name in ("plain.pt", "trained.pt"):
        found = read_tensors(tmp_path / name)
        assert tensors_digest(found) == tensors_digest(tensors), name


def test_the_sizes_are_read_off_the_tensors(tensors) -> None:
    sizes = clip_sizes(tensors)
    assert (sizes.vision_depth, sizes.vision_width, sizes.vision_heads) == (3, 64, 1)
    assert (sizes.patch_size, sizes.native_size_px, sizes.embed_dim) == (8, 32, 48)
    assert (sizes.text_depth, sizes.text_heads, sizes.context_length) == (2, 1, 77)


class Explosive:
    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self):
        return os.system, (f"touch {self.place}",)


def test_a_state_dict_with_code_in_it_is_refused_and_not_run(tmp_path) -> None:
    torch.save({"visual.proj": Explosive(tmp_path / "ran")}, tmp_path / "evil.pt")
    with pytest.raises(ArtefactError, match=r"evil\.pt cannot be read"):
        read_tensors(tmp_path / "evil.pt")
    assert not (tmp_path / "ran").exists()


def test_an_archive_with_code_in_it_is_refused_and_not_run(archive: Path, tmp_path) -> None:
    evil = tmp_path / "evil.pt"
    with zipfile.ZipFile(archive) as source, zipfile.ZipFile(evil, "w") as target:
        for entry in source.namelist():
            data = source.read(entry)
            if entry.endswith("/data.pkl"):
                data = pickle.dumps({"x": Explosive(tmp_path / "ran")}, protocol=2)
            target.writestr(entry, data)
    with pytest.raises(ArtefactError, match=r"refers to (posix|os)\.system"):
        read_tensors(evil)
    assert not (tmp_path / "ran").exists()


def test_an_archive_whose_storage_is_too_short_is_refused(archive: Path, tmp_path) -> None:
    short = tmp_path / "short.pt"
    with zipfile.ZipFile(archive) as source, zipfile.ZipFile(short, "w") as target:
        for entry in source.namelist():
            data = source.read(entry)
            target.writestr(entry, data[:2] if entry.endswith("/data/0") else data)
    with pytest.raises(ArtefactError, match="short"):
        read_tensors(short)


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_a_truncated_file_is_refused_by_name(tmp_path, tensors, suffix) -> None:
    whole = tmp_path / f"whole{suffix}"
    if suffix == ".pt":
        torch.save(tensors, whole)
    else:
        from safetensors.torch import save_file

        save_file(tensors, whole)
    cut = tmp_path / f"cut{suffix}"
    cut.write_bytes(whole.read_bytes()[:5000])
    with pytest.raises(ArtefactError, match="cut"):
        read_tensors(cut)


def test_a_missing_file_is_told_by_its_path(tmp_path) -> None:
    with pytest.raises(ArtefactNotFoundError, match=r"nowhere\.pt"):
        res2clip.load_backbone(tmp_path / "nowhere.pt")


def test_weights_with_nan_are_refused(tensors, tmp_path) -> None:
    broken = dict(tensors)
    broken["visual.proj"] = torch.full_like(tensors["visual.proj"], float("nan"))
    torch.save(broken, tmp_path / "nan.pt")
    with pytest.raises(ArtefactError, match=r"visual\.proj holds NaN"):
        res2clip.load_backbone(tmp_path / "nan.pt")


@pytest.mark.parametrize(
    "missing", ["visual.class_embedding", "visual.conv1.weight", "visual.ln_pre.weight"]
)
def test_a_tower_that_is_no_plain_vit_is_refused(tensors, tmp_path, missing) -> None:
    torch.save({k: v for k, v in tensors.items() if k != missing}, tmp_path / "odd.pt")
    with pytest.raises(ArtefactError, match="plain CLIP ViT"):
        res2clip.load_backbone(tmp_path / "odd.pt")


def test_a_missing_block_is_noticed(tensors, tmp_path) -> None:
    gap = {k: v for k, v in tensors.items() if ".resblocks.1." not in k}
    torch.save(gap, tmp_path / "gap.pt")
    with pytest.raises(ArtefactError, match="resblocks"):
        res2clip.load_backbone(tmp_path / "gap.pt")
