"""Names, roles, passwords and tokens in a file."""

from __future__ import annotations

import base64
import hashlib
import os
import stat
from pathlib import Path

import pytest

from res2clip_runtime.errors import ArtefactNotFoundError, InputError
from res2clip_runtime.service.secret_hash import matches_password
from res2clip_runtime.service.users import (
    User,
    UserBook,
    add_password,
    add_token,
    load_users,
    remove_user,
)

PASSWORD = "correct horse battery"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "users.toml"


def test_a_password_and_a_token_prove_their_users_and_nobody_else(path: Path) -> None:
    add_password(path, "anna", "operator", PASSWORD)
    token = add_token(path, "mes", "viewer")
    users = load_users(path)
    assert users.all == (User("anna", "operator"), User("mes", "viewer"))
    assert users.check_password("anna", PASSWORD) == User("anna", "operator")
    assert users.check_token(token) == User("mes", "viewer")
    for name, password in (("anna", PASSWORD + "x"), ("bob", PASSWORD), ("mes", token), ("", "")):
        assert users.check_password(name, password) is None
    for wrong in ("", token[:-1], token + "x", "anna", "\ud800"):
        assert users.check_token(wrong) is None


def test_the_file_is_private_and_tells_no_secret(path: Path) -> None:
    add_password(path, "anna", "engineer", PASSWORD)
    token = add_token(path, "mes", "viewer")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    text = path.read_text()
    assert PASSWORD not in text and token not in text


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file away")
def test_a_file_that_root_changes_still_belongs_to_the_service(path: Path) -> None:
    add_token(path, "mes", "viewer")
    os.chown(path, 65534, 65534)
    add_token(path, "scada", "viewer")
    assert (path.stat().st_uid, path.stat().st_gid) == (65534, 65534)


def test_the_same_password_typed_decomposed_is_the_same(path: Path) -> None:
    add_password(path, "anna", "viewer", "Schl\u00fcssel-7")
    assert load_users(path).check_password("anna", "Schlu\u0308ssel-7")


def test_the_hash_is_scrypt_as_others_compute_it(path: Path) -> None:
    add_password(path, "anna", "viewer", PASSWORD)
    stored = path.read_text().split('password = "')[1].split('"')[0]
    _, n, r, p, salt, digest = stored.split(":")
    again = hashlib.scrypt(
        PASSWORD.encode(), salt=base64.b64decode(salt), n=int(n), r=int(r), p=int(p),
        maxmem=2**27, dklen=32,
    )  # fmt: skip
    assert base64.b64encode(again).decode() == digest


def test_a_removed_user_is_out_as_soon_as_the_file_says_so(path: Path) -> None:
    token = add_token(path, "mes", "viewer")
    add_token(path, "scada", "operator")
    book = UserBook(path)
    assert book.users.check_token(token)
    remove_user(path, "mes")
    assert book.users.check_token(token) is None
    assert book.users.find("mes") is None
    assert book.users.find("scada") == User("scada", "operator")


def test_a_file_that_breaks_leaves_the_users_before_and_says_so(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    token = add_token(path, "mes", "viewer")
    book = UserBook(path)
    path.write_text("[[user]\n")
    assert book.users.check_token(token)
    assert "stay as they were" in caplog.text


@pytest.mark.parametrize("name", ["", "a b", "x" * 65, "anna\n", 'a"b', "../x", "a\x00"])
def test_a_name_that_would_need_care_elsewhere_is_refused(path: Path, name: str) -> None:
    with pytest.raises(InputError, match="name is"):
        add_token(path, name, "viewer")
    assert not path.exists()


def test_what_cannot_be_added_changes_nothing(path: Path) -> None:
    add_token(path, "mes", "viewer")
    before = path.read_bytes()
    for problem, work in {
        "already": lambda: add_token(path, "mes", "operator"),
        "at least 10": lambda: add_password(path, "anna", "viewer", "short"),
        "role is": lambda: add_password(path, "anna", "root", PASSWORD),  # type: ignore[arg-type]
        "no user 'anna'": lambda: remove_user(path, "anna"),
    }.items():
        with pytest.raises(InputError, match=problem):
            work()
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("user = 3", "nothing but tables"),
        ("x = 1", "nothing but tables"),
        ('[[user]]\nname = "a"\nrole = "viewer"', "either a password or a token"),
        ('[[user]]\nname = "a"\nrole = "viewer"\ntoken = "secret"', "not a hash"),
        ('[[user]]\nname = "a"\nrole = "viewer"\npassword = "plain text"', "not a hash"),
        ('[[user]]\nname = "a"\nrole = "root"\ntoken = "x"', "role is 'root'"),
        ('[[user]]\nname = "a"\nrole = "viewer"\nadmin = "x"', "no key 'admin'"),
        ('[[user]]\nname = 7\nrole = "viewer"', "texts only"),
        ("user = [1]", "texts only"),
        ('user = "a"', "nothing but tables"),
        ("[[user]\n", "expected users in TOML"),
        ("\x00", "expected users in TOML"),
    ],
)
def test_a_file_with_anything_odd_lets_nobody_in(path: Path, text: str, problem: str) -> None:
    path.write_text(text)
    with pytest.raises(InputError, match=problem):
        load_users(path)


def test_two_users_of_one_name_are_refused(path: Path) -> None:
    add_token(path, "mes", "viewer")
    path.write_text(path.read_text() * 2)
    with pytest.raises(InputError, match="two users are called 'mes'"):
        load_users(path)


def test_a_file_that_anybody_may_write_is_refused(path: Path) -> None:
    add_token(path, "mes", "viewer")
    path.chmod(0o666)
    with pytest.raises(InputError, match="chmod 600"):
        load_users(path)


def test_a_missing_file_says_how_to_make_one(path: Path) -> None:
    with pytest.raises(ArtefactNotFoundError, match="users add"):
        load_users(path)


def test_a_hash_that_would_use_up_the_memory_is_never_computed() -> None:
    salt = "AAAAAAAAAAAAAAAAAAAAAA=="
    digest = "A" * 43 + "="
    for parameters in ("1073741824:8:1", "32768:100000:1", "32769:8:1", "2:1:1", "-1:8:1"):
        assert not matches_password(f"scrypt:{parameters}:{salt}:{digest}", PASSWORD)
