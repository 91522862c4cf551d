"""``res2clip-run users``, and the configuration's [web] tried before it runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tls_files import make_tls_files
from typer.testing import CliRunner

from res2clip_runtime.cli.app import app
from res2clip_runtime.doctor import Status
from res2clip_runtime.service.config import load_config
from res2clip_runtime.service.dry_run import check_outputs
from res2clip_runtime.service.users import load_users


def run(*arguments: object, given: str = "") -> tuple[int, str]:
    done = CliRunner().invoke(app, ["users", *map(str, arguments)], input=given)
    return done.exit_code, done.output


def test_users_are_added_listed_and_removed(tmp_path: Path) -> None:
    file = ("--file", tmp_path / "users.toml")
    code, _ = run("add", "anna", "--role", "operator", *file, given="a long password\n")
    assert code == 0
    code, output = run("add", "mes", "--role", "viewer", "--token", *file)
    token = output.split()[0]
    assert code == 0
    assert run("list", *file) == (0, "anna  operator\nmes  viewer\n")
    users = load_users(file[1])
    assert users.check_password("anna", "a long password")
    assert users.check_token(token)
    assert "a long password" not in file[1].read_text()
    assert token not in file[1].read_text()
    assert run("remove", "anna", *file)[0] == 0
    assert run("list", *file) == (0, "mes  viewer\n")


@pytest.mark.parametrize(
    ("arguments", "given", "message"),
    [
        (["add", "anna", "--role", "operator"], "short\n", "expected at least 10"),
        (["add", "an na", "--role", "operator", "--token"], "", "letters, digits"),
        (["remove", "anna"], "", "no file of users"),
        (["list"], "", "no file of users"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    tmp_path: Path, arguments: list[str], given: str, message: str
) -> None:
    code, output = run(*arguments, "--file", tmp_path / "users.toml", given=given)
    assert code == 1
    assert message in output
    assert "Traceback" not in output


def test_dry_run_looks_at_users_certificate_and_folder(tmp_path: Path) -> None:
    tls = make_tls_files(tmp_path / "tls")
    text = (
        '[[camera]]\nsource = "parts"\n[web]\nhost = "0.0.0.0"\nport = 0\nusers_file = "u.toml"\n'
        f'certificate = {json.dumps(str(tls / "server.crt"))}\nprivate_key = "tls/server.key"\n'
    )
    (tmp_path / "line.toml").write_text(text)
    config = load_config(tmp_path / "line.toml")
    assert config.taught_folder == tmp_path / "page" / "recipes"
    checks = {check.name: check for check in check_outputs(config, ())}
    assert checks["web.users_file"].status is Status.MISSING
    run("add", "anna", "--role", "viewer", "--token", "--file", tmp_path / "u.toml")
    checks = {check.name: check for check in check_outputs(config, ())}
    assert {check.status for check in checks.values()} == {Status.OK}
    assert set(checks) == {"web.folder", "web.users_file", "web.certificate", "web"}
    (tls / "server.key").write_text("no key")
    checks = {check.name: check for check in check_outputs(config, ())}
    assert checks["web.certificate"].status is Status.MISSING
