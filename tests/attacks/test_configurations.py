"""Configurations that are no settings, and what they name."""

from __future__ import annotations

from pathlib import Path

import pytest
from attacks.conftest import Room
from attacks.payloads import pickled, write

_TEXTS = {
    "nested lists": "a = " + "[" * 50_000 + "]" * 50_000,
    "nested tables": "a = " + "{a=" * 50_000 + "1" + "}" * 50_000,
    "a long way": ".".join(["a"] * 50_000) + " = 1",
    "a long header": "[" + ".".join(["a"] * 50_000) + "]",
    "a key twice": "[line]\nmode = 'free'\nmode = 'trigger'",
    "a huge number": "[line]\nwarm_up = " + "9" * 10_000,
    "NUL": "[[recipe]]\nfile = 'a\\u0000b'\n[[camera]]\nsource='x'".replace("'", '"'),
    "infinity": "[line]\ndeadline_ms = inf\n[[recipe]]\nfile='a'\n[[camera]]\nsource='x'",
    "NaN": "[line]\ndeadline_ms = nan\n[[recipe]]\nfile='a'\n[[camera]]\nsource='x'",
    "an escape": '[line]\n"\\u001b[2J" = 1',
    "pickle": pickled().decode("latin-1"),
    "a foreign file as recipe": "[[recipe]]\nfile='/etc/passwd'\n[[camera]]\nsource='x'",
    "a climbing recipe": "[[recipe]]\nfile='../../../../etc/passwd'\n[[camera]]\nsource='x'",
    "a device as recipe": "[[recipe]]\nfile='/dev/zero'\n[[camera]]\nsource='x'",
}


@pytest.mark.parametrize("attack", _TEXTS)
def test_hostile_configuration_is_refused(room: Room, tmp_path: Path, attack: str) -> None:
    room.refuses("config", write(tmp_path / "line.toml", _TEXTS[attack].encode()))
