"""docs/outputs.md says what the code does: every key with its default."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pytest

from res2clip_runtime.modbus import ModbusConfig
from res2clip_runtime.sinks.kept_pictures import PicturesConfig
from res2clip_runtime.sinks.metrics_page import MetricsConfig
from res2clip_runtime.sinks.mqtt_publisher import MqttConfig
from res2clip_runtime.sinks.rotating_jsonl import JsonlConfig
from res2clip_runtime.sinks.webhook import WebhookConfig

PAGE = (Path(__file__).parents[3] / "docs" / "outputs.md").read_text()
CONFIGS: dict[str, type[Any]] = {
    "JSONL": JsonlConfig,
    "Pictures": PicturesConfig,
    "MQTT": MqttConfig,
    "Modbus TCP": ModbusConfig,
    "Webhook": WebhookConfig,
    "Metrics": MetricsConfig,
}


def section(title: str) -> str:
    return PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]


def shown(field: dataclasses.Field[Any]) -> str:
    if field.default is dataclasses.MISSING:
        return "-" if field.default_factory is dataclasses.MISSING else "none"
    return "none" if field.default is None else f"`{json.dumps(field.default)}`"


@pytest.mark.parametrize("title", CONFIGS)
def test_every_key_is_there_with_its_default_and_no_other(title: str) -> None:
    table = re.findall(r"^\| `(\w+)` \| (\S+) \| \S", section(title), re.MULTILINE)
    fields = dataclasses.fields(CONFIGS[title])
    assert [row for row in table if row[0] in {field.name for field in fields}] == [
        (field.name, shown(field)) for field in fields
    ]
    keys = section(title).split("| key | default | what |\n")[1].split("\n\n")[0]
    assert keys.count("\n") == len(fields)
