"""Who may command the line: names, roles, and what proves them, in one TOML file.

    [[user]]
    name = "anna"
    role = "operator"
    password = "scrypt:32768:8:3:<salt>:<hash>"     # one of the two
    token = "sha256:<64 hexadecimal digits>"

Neither a password nor a token can be read from the file.
"""

from __future__ import annotations

import json
import logging
import re
import secrets
import stat
import sys
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from res2clip_runtime.errors import ArtefactNotFoundError, InputError, Res2ClipError
from res2clip_runtime.file_version import FileVersion
from res2clip_runtime.service.secret_hash import (
    check_hash,
    matches_password,
    matches_token,
    password_hash,
    spend_the_time_of_a_check,
    token_hash,
)
from res2clip_runtime.storage import write_atomically

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = [
    "ROLES",
    "Role",
    "User",
    "UserBook",
    "Users",
    "add_password",
    "add_token",
    "load_users",
    "remove_user",
]

logger = logging.getLogger(__name__)

Role = Literal["viewer", "operator", "engineer"]
ROLES: tuple[Role, ...] = get_args(Role)
"""Each may do what those before it may."""

_SHORTEST_PASSWORD = 10
_NAME = re.compile(r"[\w.@-]{1,64}")
_HEAD = """\
# Users of a line of res2clip; change it with: res2clip-run users add | remove
# Comments are lost then. No password or token can be read from here, but keep it private.
"""


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who has proved who they are."""

    name: str
    """As in the file."""
    role: Role
    """What they may do."""

    def may(self, role: Role) -> bool:
        """Return whether they may do what ``role`` may."""
        return ROLES.index(self.role) >= ROLES.index(role)


@dataclass(frozen=True, slots=True)
class _Entry:
    user: User
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)


class Users:
    """Everybody in a file, as it was when it was read."""

    def __init__(self, entries: Iterable[_Entry]) -> None:
        """Hold ``entries``, each of another name; use :func:`load_users`."""
        self._entries = {entry.user.name: entry for entry in entries}

    @property
    def all(self) -> tuple[User, ...]:
        """Everybody, in the file's order."""
        return tuple(entry.user for entry in self._entries.values())

    def find(self, name: str) -> User | None:
        """Return the user of a name, who has proved nothing by that."""
        entry = self._entries.get(name)
        return entry.user if entry else None

    def stamp(self, name: str) -> str:
        """Return what changes when the user's password or role does; empty without such a user."""
        entry = self._entries.get(name)
        return "" if entry is None else f"{entry.user.role} {entry.password}{entry.token}"

    def check_password(self, name: str, password: str) -> User | None:
        """Return the user if the password is theirs, else None; 0.2 s and 32 MB either way.

        A name that is not there takes as long as a wrong password. The GIL is free meanwhile.
        """
        entry = self._entries.get(name)
        if entry is None or not entry.password:
            spend_the_time_of_a_check(password)
            return None
        return entry.user if matches_password(entry.password, password) else None

    def check_token(self, token: str) -> User | None:
        """Return the user whose token it is, or None; quick, and as long whoever it is."""
        found = None
        for entry in self._entries.values():
            if entry.token and matches_token(entry.token, token):
                found = entry.user
        return found


class UserBook:
    """The users of a file that may change meanwhile; from any thread."""

    def __init__(self, path: Path) -> None:
        """Read the file.

        Raises:
            ArtefactNotFoundError: there is none.
            InputError: it is no such file.
        """
        self._path = path
        self._lock = threading.Lock()
        self._version = FileVersion.at(path)
        self._users = load_users(path)

    @property
    def users(self) -> Users:
        """Everybody as of now; a file that cannot be read any more leaves those before, logged."""
        with self._lock:
            if (version := FileVersion.at(self._path)) != self._version:
                self._version = version
                try:
                    self._users = load_users(self._path)
                except Res2ClipError as err:
                    logger.error("the users stay as they were: %s", err)
                else:
                    logger.info("users: %s was read anew", self._path)
            return self._users


def load_users(path: Path) -> Users:
    """Return the users in a file.

    Raises:
        ArtefactNotFoundError: there is no such file.
        InputError: it is no TOML, something in it is not as it should be, or anybody on this
            machine may write it.
    """
    return Users(_entries(path))


def add_password(path: Path, name: str, role: Role, password: str) -> None:
    """Add a user with a password to a file, which is made where there is none.

    Raises:
        InputError: the name is taken or unusable, or the password is too short.
        OutputError: the file cannot be written.
    """
    if len(password) < _SHORTEST_PASSWORD:
        raise InputError(
            f"the password has {len(password)} characters, expected at least {_SHORTEST_PASSWORD}"
        )
    _add(path, {"name": name, "role": role, "password": password_hash(password)})


def add_token(path: Path, name: str, role: Role) -> str:
    """Add a user with a new token to a file, which is made where there is none; return the token.

    Raises:
        InputError: the name is taken or unusable.
        OutputError: the file cannot be written.
    """
    token = "r2c_" + secrets.token_urlsafe(32)
    _add(path, {"name": name, "role": role, "token": token_hash(token)})
    return token


def remove_user(path: Path, name: str) -> None:
    """Take a user out of a file.

    Raises:
        ArtefactNotFoundError: there is no such file.
        InputError: there is no such user.
        OutputError: the file cannot be written.
    """
    entries = _entries(path)
    left = [entry for entry in entries if entry.user.name != name]
    if len(left) == len(entries):
        names = ", ".join(entry.user.name for entry in entries) or "nobody"
        raise InputError(f"{path} has no user '{name}'; there is: {names}")
    _save(path, left)


def _add(path: Path, values: dict[str, str]) -> None:
    entries = _entries(path) if path.exists() else []
    entry = _entry(values, f"user '{values['name']}'")
    if any(other.user.name == entry.user.name for other in entries):
        raise InputError(f"{path} has a user '{entry.user.name}' already; remove it first")
    _save(path, [*entries, entry])


def _entries(path: Path) -> list[_Entry]:
    try:
        mode = path.stat().st_mode
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as err:
        raise ArtefactNotFoundError(
            f"there is no file of users at {path}; add one with: res2clip-run users add NAME "
            f"--role operator --file {path}"
        ) from err
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as err:
        raise InputError(f"{path} cannot be read: {err}; expected users in TOML") from err
    if mode & stat.S_IWOTH:
        raise InputError(f"{path} may be written by anybody; run: chmod 600 {path}")
    tables = values.pop("user", [])
    if values or not isinstance(tables, list):
        raise InputError(f"{path}: expected nothing but tables headed [[user]]")
    try:
        entries = [_entry(table, f"user[{number}]") for number, table in enumerate(tables, 1)]
    except InputError as err:
        raise InputError(f"{path}: {err}") from err
    names = [entry.user.name for entry in entries]
    if double := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(f"{path}: two users are called '{double[0]}'; remove one")
    return entries


def _entry(table: Mapping[str, Any], where: str) -> _Entry:
    if not isinstance(table, Mapping) or not all(isinstance(v, str) for v in table.values()):
        raise InputError(f"{where}: expected texts only")
    if unknown := sorted(set(table) - {"name", "role", "password", "token"}):
        raise InputError(f"{where}: there is no key '{unknown[0]}'")
    name, role = table.get("name", ""), table.get("role", "")
    if not _NAME.fullmatch(name):
        raise InputError(
            f"{where}: name is {name!r}, expected up to 64 letters, digits, and . _ - @"
        )
    if role not in ROLES:
        raise InputError(f"{where}: role is {role!r}, expected one of: {', '.join(ROLES)}")
    password, token = table.get("password", ""), table.get("token", "")
    if bool(password) == bool(token):
        raise InputError(f"{where}: expected either a password or a token")
    if not check_hash(password or token, of="password" if password else "token"):
        raise InputError(f"{where}: its {'password' if password else 'token'} is not a hash as "
                         "res2clip-run users add writes it")  # fmt: skip
    return _Entry(User(name, role), password, token)


def _save(path: Path, entries: Iterable[_Entry]) -> None:
    lines = [_HEAD]
    for entry in entries:
        kind, text = ("password", entry.password) if entry.password else ("token", entry.token)
        named = json.dumps(entry.user.name, ensure_ascii=False)
        lines.append(f'[[user]]\nname = {named}\nrole = "{entry.user.role}"\n{kind} = "{text}"\n')
    write_atomically(path, "\n".join(lines).encode(), private=True)
