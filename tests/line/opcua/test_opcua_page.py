"""docs/opcua.md says what the code does: keys, nodes, and what each state allows."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

from line.components.opcua_commands import LEGAL

from res2clip_runtime.opcua import OpcuaConfig
from res2clip_runtime.opcua.layout import layout_as_markdown
from res2clip_runtime.opcua.vision_machine import VisionState

PAGE = (Path(__file__).parents[3] / "docs" / "opcua.md").read_text(encoding="utf-8")


def shown(default: object) -> str:
    if default is None:
        return "none"
    return f"`{json.dumps(str(default) if isinstance(default, Path) else default)}`"


def test_every_key_is_there_with_its_default() -> None:
    keys = re.findall(r"^\| `(\w+)` \| (`[^`]+`|none) \| ", PAGE, re.MULTILINE)
    assert keys[: len(dataclasses.fields(OpcuaConfig))] == [
        (field.name, shown(field.default)) for field in dataclasses.fields(OpcuaConfig)
    ]


def test_methods_and_variables_are_those_of_the_server() -> None:
    table = PAGE.split("<!-- layout -->\n")[1].split("<!-- end of layout -->")[0]
    assert table == layout_as_markdown()


def test_the_table_of_states_is_that_of_the_machine() -> None:
    names = {"prepare": "PrepareRecipe", "single": "StartSingleJob", "reset": "Reset",
             "continuous": "StartContinuous", "stop": "Stop", "abort": "Abort"}  # fmt: skip
    for state in VisionState:
        row = re.search(rf"^\| `{state.title}` \| {int(state)} \| .* \| (.*) \|$", PAGE, re.M)
        assert row, state.title
        allowed = {names[command] for command in LEGAL[state]}
        assert set(re.findall(r"`(\w+)`", row[1])) == allowed
