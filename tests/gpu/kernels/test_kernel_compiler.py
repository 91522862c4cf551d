from __future__ import annotations

from pathlib import Path

import pytest

from res2clip_runtime.errors import BackendError
from res2clip_runtime.kernels import compiler


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "res2clip" / "kernels"


def program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


@pytest.mark.usefixtures("cuda_toolkit")
def test_module_is_compiled_once_and_then_read(
    own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = compiler.compile_kernels("sm_87")
    (kept,) = own_cache.iterdir()
    whole = kept.read_bytes()
    assert whole.endswith(module)
    assert module[:4] == b"\x7fELF"
    kept.write_bytes(whole[:-1])
    assert compiler.compile_kernels("sm_87") == module  # a damaged one is compiled again
    assert kept.read_bytes() == whole
    monkeypatch.setattr(compiler, "_run_nvcc", lambda *_: pytest.fail("compiled again"))
    assert compiler.compile_kernels("sm_87") == module


def test_architecture_release_and_source_name_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = compiler.cubin_path("sm_87", "12.6.85")
    assert first != compiler.cubin_path("sm_89", "12.6.85")
    assert first != compiler.cubin_path("sm_87", "13.0.88")
    assert first == compiler.cubin_path("sm_87", "12.6.85")
    (tmp_path / "kernels.cu").write_text("// changed", encoding="utf-8")
    monkeypatch.setattr(compiler, "source_directory", lambda: tmp_path)
    assert first != compiler.cubin_path("sm_87", "12.6.85")


@pytest.mark.usefixtures("cuda_toolkit")
def test_unknown_architecture_is_named() -> None:
    with pytest.raises(BackendError, match=r"for sm_53: .*(sm_53|arch)"):
        compiler.compile_kernels("sm_53")


def test_without_nvcc_the_remedy_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CUDA_HOME", raising=False)
    monkeypatch.setattr(compiler, "_USUAL_PLACE", tmp_path)
    with pytest.raises(BackendError, match="install the CUDA toolkit"):
        compiler.compile_kernels("sm_87")
    program(tmp_path / "home" / "bin" / "nvcc", "exit 0")
    monkeypatch.setenv("CUDA_HOME", str(tmp_path / "home"))
    assert compiler.find_nvcc() == tmp_path / "home" / "bin" / "nvcc"


def test_compiler_that_is_not_nvcc_is_not_believed(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match="names no version"):
        compiler.cuda_release(program(tmp_path / "nvcc", "echo hello"))
    with pytest.raises(BackendError, match="does not run"):
        compiler.cuda_release(program(tmp_path / "nvcc", "exit 3"))


@pytest.mark.usefixtures("cuda_toolkit")
def test_where_nothing_can_be_kept_it_works_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be", encoding="utf-8")
    assert compiler.compile_kernels("sm_87")[:4] == b"\x7fELF"
    assert "compiled again next time: cannot write" in caplog.text.replace("[Errno 20] ", "")
