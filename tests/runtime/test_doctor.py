from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import onnxruntime
import pytest
from typer.testing import CliRunner

from res2clip_runtime.bundle import bundles_directory
from res2clip_runtime.cli.app import app
from res2clip_runtime.cli.doctor import run_doctor
from res2clip_runtime.doctor import Check, Status, diagnose
from res2clip_runtime.doctor.bundles import check_bundles
from res2clip_runtime.doctor.engine import try_provider
from res2clip_runtime.doctor.nvidia import check_nvidia
from res2clip_runtime.doctor.packages import check_package
from res2clip_runtime.doctor.place import check_data_directory


def test_this_machine_can_inspect() -> None:
    checks = diagnose()
    assert not [check for check in checks if check.status is Status.MISSING]
    by_name = {check.name.strip(): check for check in checks}
    assert by_name["CPU"].detail == "ran a graph"
    assert onnxruntime.__version__ in by_name["onnxruntime"].detail


def test_whatever_is_not_ok_has_a_remedy() -> None:
    for check in diagnose():
        assert bool(check.remedy) == (check.status is not Status.OK), check


def test_provider_that_is_not_there_is_not_believed() -> None:
    check = try_provider("CUDAExecutionProvider")
    assert check.status is Status.WARN
    assert "offered, but" in check.detail


def test_missing_package_names_purpose_and_command() -> None:
    check = check_package("no-such", module="no_such", purpose="nothing", remedy="pip install it")
    assert check.status is Status.MISSING
    assert check.detail == "not installed (needed for nothing)"
    optional = check_package("no-such", module="no_such", remedy="x", required=False)
    assert optional.status is Status.WARN


def test_broken_package_says_what_breaks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_wheel.py").write_text("import libfoo_that_is_not_there")
    monkeypatch.syspath_prepend(tmp_path)
    check = check_package("broken-wheel", module="broken_wheel", remedy="pip install it")
    assert "cannot be imported" in check.detail
    assert "libfoo_that_is_not_there" in check.detail


def test_installed_bundles_are_compared_with_their_hashes(bundle_path: Path) -> None:
    assert check_bundles()[0].status is Status.WARN
    shutil.copytree(bundle_path, bundles_directory() / "good")
    bad = shutil.copytree(bundle_path, bundles_directory() / "bad")
    (bad / "heads.onnx").write_bytes(b"")
    by_name = {check.name: check for check in check_bundles()}
    assert by_name["bundle good"].status is Status.OK
    assert by_name["bundle bad"].status is Status.WARN
    assert "heads.onnx" in by_name["bundle bad"].detail


def test_little_space_is_said(small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(small_disk / "not" / "yet"))
    check = check_data_directory()
    assert check.status is Status.WARN
    assert "0.0 GB free" in check.detail


def test_json_holds_every_check() -> None:
    done = CliRunner().invoke(app, ["doctor", "--json"])
    assert done.exit_code == 0
    checks = json.loads(done.stdout)
    assert {"name", "status", "detail", "remedy"} == set(checks[0])


def test_missing_extra_check_gives_exit_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    extra = Check(name="torch", status=Status.MISSING, detail="not installed", remedy="pip")
    assert run_doctor(extra_checks=[extra], as_json=False) == 1
    assert "-> pip" in capsys.readouterr().out
    assert run_doctor(as_json=False) == 0


def test_machine_without_a_driver_is_said_to_have_none() -> None:
    (check,) = check_nvidia("libcuda-that-is-not-there.so.1")
    assert check.status is Status.WARN
    assert "no NVIDIA driver" in check.detail


DRIVER = """
#include <string.h>
int cuInit(unsigned flags) { return INIT; }
int cuDriverGetVersion(int *v) { *v = 12060; return 0; }
int cuDeviceGetCount(int *n) { *n = 1; return 0; }
int cuDeviceGet(int *d, int i) { *d = i; return 0; }
int cuDeviceGetName(char *s, int n, int d) { strncpy(s, "Orin", n); return 0; }
int cuDeviceGetAttribute(int *v, int a, int d) { *v = a == 75 ? 8 : a == 76 ? 7 : -1; return 0; }
"""


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler to make a driver with")
@pytest.mark.parametrize(
    ("answer", "status", "detail"),
    [
        (0, Status.OK, "Orin, sm_87, driver up to CUDA 12.6"),
        (100, Status.WARN, "the NVIDIA driver refuses (cuInit: error 100)"),
    ],
)
def test_gpu_is_described_by_its_driver(
    tmp_path: Path, answer: int, status: Status, detail: str
) -> None:
    source, library = tmp_path / "driver.c", tmp_path / "libcuda.so.1"
    source.write_text(DRIVER)
    command = ["cc", "-shared", "-fPIC", f"-DINIT={answer}", "-o", str(library), str(source)]
    subprocess.run(command, check=True)
    (check,) = check_nvidia(str(library))
    assert (check.status, check.detail) == (status, detail)


@pytest.mark.parametrize(("status", "code"), [("ok", 0), ("warn", 0), ("missing", 1), ("wrong", 1)])
def test_the_exit_code_tells_what_must_not_be_used(status: str, code: int) -> None:
    checks = [Check(name="kernels", status=Status(status), detail="tried")]
    found = run_doctor(extra_checks=checks, as_json=True)
    assert found == max(code, run_doctor(as_json=True))
