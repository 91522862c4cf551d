"""A table of a TOML file as one of our frozen dataclasses, every value checked.

Messages name table and field as they stand in the file, the value, and what is expected.
"""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from collections.abc import Iterable, Mapping
from enum import Enum
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

from res2clip_runtime.errors import InputError

__all__ = ["nearest", "read_table"]

Table = TypeVar("Table")

_KINDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text",
          Path: "a path"}  # fmt: skip


def read_table(kind: type[Table], values: Mapping[str, Any], *, where: str, base: Path) -> Table:
    """Return the dataclass ``kind`` filled with the keys of a table.

    Args:
        kind: a dataclass; its fields are the keys, their types say what is allowed.
        values: the table as the TOML reader gives it.
        where: the table's name for messages (``line``, ``camera[2]``); empty: the whole file.
        base: folder that relative paths are relative to.

    Raises:
        InputError: a key is unknown or missing, or a value is not usable.
    """
    fields = {f.name: f for f in dataclasses.fields(kind) if f.init}  # type: ignore[arg-type]
    for key in values:
        if key not in fields:
            raise InputError(_unknown(key, fields, where))
    hints = typing.get_type_hints(kind)
    given = {
        key: _value(hints[key], value, where=_join(where, key), base=base)
        for key, value in values.items()
    }
    for name, field in fields.items():
        optional = (
            field.default is not dataclasses.MISSING
            or field.default_factory is not dataclasses.MISSING
        )
        if name not in given and not optional:
            raise InputError(f"{_join(where, name)} is missing; {_help_of(hints[name])}")
    try:
        return kind(**given)
    except InputError as err:
        message = str(err)
        named = where and not message.startswith((f"{where}.", f"{where} "))
        raise InputError(f"{where}: {message}" if named else message) from err


def nearest(word: str, known: Iterable[str]) -> str:
    """Return ``; did you mean 'x'?`` with the known word nearest to ``word``, or nothing."""
    found = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f"; did you mean '{found[0]}'?" if found else ""


def _unknown(key: str, fields: Mapping[str, Any], where: str) -> str:
    kind = f"the table [{where}] has no key" if where else "there is no table or key"
    known = ", ".join(fields)
    return f"{kind} '{key}'{nearest(key, fields)} Known: {known}"


def _value(hint: Any, value: Any, *, where: str, base: Path) -> Any:
    """Return ``value`` as ``hint`` wants it."""
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        hint = next(choice for choice in get_args(hint) if choice is not type(None))
        origin = get_origin(hint)
    if origin is Literal:
        return _choice(value, get_args(hint), where)
    if origin is Mapping or (isinstance(origin, type) and issubclass(origin, Mapping)):
        return _mapping(value, where)
    if origin is tuple:
        return _items(get_args(hint)[0], value, where=where, base=base)
    if dataclasses.is_dataclass(hint):
        if not isinstance(value, dict):
            raise InputError(f"{where} is {value!r}, expected a table: [{where}]")
        return read_table(typing.cast("type[Any]", hint), value, where=where, base=base)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint(_choice(value, [member.value for member in hint], where))
    return _scalar(hint, value, where=where, base=base)


def _choice(value: Any, choices: Iterable[Any], where: str) -> Any:
    known = list(choices)
    if value not in known or isinstance(value, bool) != isinstance(known[0], bool):
        listed = ", ".join(repr(choice) for choice in known)
        hint = nearest(value, known) if isinstance(value, str) else ""
        raise InputError(f"{where} is {value!r}, expected one of: {listed}{hint}")
    return value


def _mapping(value: Any, where: str) -> dict[str, Any]:
    """Return a table of free keys; what they mean is checked by the dataclass."""
    if not isinstance(value, dict):
        raise InputError(f"{where} is {value!r}, expected a table: [{where}]")
    for key, item in value.items():
        if not isinstance(item, (str, int, float, bool)):
            raise InputError(f"{where}.{key} is {_shown(item)}, expected a text or number")
    return value


def _items(hint: Any, value: Any, *, where: str, base: Path) -> tuple[Any, ...]:
    if not isinstance(value, list):
        table = dataclasses.is_dataclass(hint)
        expected = f"tables headed [[{where}]]" if table else "a list in square brackets"
        raise InputError(f"{where} is {_shown(value)}, expected {expected}")
    return tuple(
        _value(hint, item, where=f"{where}[{number}]", base=base)
        for number, item in enumerate(value, 1)
    )


def _scalar(hint: Any, value: Any, *, where: str, base: Path) -> Any:
    if hint is float and type(value) is int:
        return float(value)
    if hint is Path and isinstance(value, str) and value:
        return base / Path(value).expanduser()
    if type(value) is not hint:
        raise InputError(f"{where} is {_shown(value)}, expected {_KINDS.get(hint, hint)}")
    return value


def _shown(value: Any) -> str:
    return "a table" if isinstance(value, dict) else repr(value)


def _join(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key


def _help_of(hint: Any) -> str:
    if get_origin(hint) is tuple and dataclasses.is_dataclass(get_args(hint)[0]):
        return "at least one such table is needed"
    if dataclasses.is_dataclass(hint):
        return "add the table"
    return f"give it {_KINDS.get(hint, 'a value')}"
