"""``res2clip-run`` with ``[opcua]``, as it runs in the plant."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from line.components.child import await_true, free_port
from line.components.mjpeg_server import MjpegServer
from line.components.opcua_client import BadStatus, OpcuaClient
from line.components.running_line import PROGRAM, RunningLine, write_config

from res2clip_runtime.service.config import load_config
from res2clip_runtime.service.config.template import template
from res2clip_runtime.service.users import add_token


def connected(client: OpcuaClient, port: int, *more: str) -> bool:
    try:
        client.connect(port, *more)
    except BadStatus:
        return False
    return True


def test_the_service_is_driven_by_jobs_and_survives_a_client_killed_in_one(
    tmp_path: Path, recipe_files: list[Path], bundle: Path, film: Path
) -> None:
    pytest.importorskip("av", reason="the extra 'video' is not installed")
    port = free_port()
    token = add_token(tmp_path / "users.toml", "host", "operator")
    with MjpegServer(film, fps=25) as camera, OpcuaClient() as client:
        config = write_config(
            tmp_path,
            '[line]\nname = "line3"\nmode = "trigger"\ndeadline_ms = 5000',
            f"[[camera]]\nname = 'top'\nsource = {json.dumps(camera.url)}",
            f'[opcua]\nport = {port}\nusers_file = "users.toml"',
            recipe=recipe_files[0],
            bundle=bundle,
        )
        checked = subprocess.run(
            [*PROGRAM, "--config", str(config), "--dry-run"],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert checked.returncode == 0, checked.stderr
        assert f"127.0.0.1:{port} is free" in checked.stdout
        assert "host (operator)" in checked.stdout
        assert not (tmp_path / "opcua").exists()  # nothing is written
        with RunningLine(config) as line:
            await_true(lambda: connected(client, port, "host", token), "the server is there")
            client.do("subscribe")
            client.await_state("Ready")
            with OpcuaClient() as other:
                other.connect(port, "host", token)
                job_id, _ = other.machine("StartContinuous", "", "", "", "")
                client.results_of(job_id)
                other.kill()
            client.await_state("Ready")
            (event,) = client.results_of(client.single())
            assert event["decision"] == "OK"
            await_true(
                lambda: any(v["trigger_id"] == event["jobId"] for v in line.verdicts()),
                "the other outputs have the same verdict",
            )
            assert line.stop() == 0
        assert "SingleExecution" in line.log
        assert token not in line.log
        assert sorted(p.name for p in (tmp_path / "opcua").iterdir()) == [
            "own", "rejected", "trusted",
        ]  # fmt: skip


def test_the_server_is_imported_only_where_it_is_used() -> None:
    code = (
        "import sys, res2clip_runtime.service.assembly; "
        "assert not {'asyncua', 'cryptography'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_the_template_s_table_is_taken(tmp_path: Path) -> None:
    text = template(name="line.toml", source=None, recipe=None, bundle=None)
    head, _, rest = text.partition("# [opcua]")
    table, _, tail = rest.partition("\n\n")
    table = ("# [opcua]" + table).replace("\n# ", "\n").removeprefix("# ")
    (tmp_path / "line.toml").write_text(f"{head}{table}\n\n{tail}")
    config = load_config(tmp_path / "line.toml")
    assert config.opcua is not None
    assert config.opcua.users_file == tmp_path / "users.toml"
