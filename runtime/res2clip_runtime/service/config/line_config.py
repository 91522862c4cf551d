"""The whole configuration file."""

from __future__ import annotations

import dataclasses
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from res2clip_runtime.errors import ArtefactNotFoundError, InputError
from res2clip_runtime.modbus.config import ModbusConfig
from res2clip_runtime.opcua.config import OpcuaConfig
from res2clip_runtime.service.config.camera_table import CameraTable
from res2clip_runtime.service.config.line_table import LineTable
from res2clip_runtime.service.config.model_table import ModelTable
from res2clip_runtime.service.config.table import nearest, read_table
from res2clip_runtime.service.recipe_file import RecipeFile
from res2clip_runtime.sinks.kept_pictures import PicturesConfig
from res2clip_runtime.sinks.metrics_page import MetricsConfig
from res2clip_runtime.sinks.mqtt_publisher import MqttConfig
from res2clip_runtime.sinks.rotating_jsonl import JsonlConfig
from res2clip_runtime.sinks.webhook import WebhookConfig
from res2clip_runtime.web.config import WebConfig

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["LineConfig", "load_config"]


_MOST_CHARACTERS = 1 << 20
_LONGEST_LINE = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class LineConfig:
    """Every table of the file; one that is left out has its defaults, or is not used (None)."""

    camera: tuple[CameraTable, ...]
    """``[[camera]]``: where pictures come from."""
    recipe: tuple[RecipeFile, ...] = ()
    """``[[recipe]]``: what can be inspected; may be left out where products are taught."""
    line: LineTable = field(default_factory=LineTable)
    """``[line]``."""
    model: ModelTable = field(default_factory=ModelTable)
    """``[model]``."""
    jsonl: JsonlConfig | None = None
    """``[jsonl]``: verdicts in files."""
    pictures: PicturesConfig | None = None
    """``[pictures]``: pictures in files."""
    mqtt: MqttConfig | None = None
    """``[mqtt]``: verdicts to a broker."""
    webhook: WebhookConfig | None = None
    """``[webhook]``: verdicts posted to a web server."""
    metrics: MetricsConfig | None = None
    """``[metrics]``: figures for Prometheus."""
    modbus: ModbusConfig | None = None
    """``[modbus]``: a PLC triggers, reads results and chooses products."""
    opcua: OpcuaConfig | None = None
    """``[opcua]``: a host program runs jobs, as in OPC 40100-1."""
    web: WebConfig | None = None
    """``[web]``: the page, and the HTTP API behind it."""
    base: Path = field(default_factory=Path.cwd)
    """Folder that relative places are relative to; not a key of the file."""

    def __post_init__(self) -> None:
        if not self.recipe and self.taught_folder is None:
            raise InputError("there is no recipe; add a table [[recipe]] with file = ...")
        if not self.camera:
            raise InputError("there is no camera; add a table [[camera]] with source = ...")
        names = [table.name for table in self.camera]
        for number, entry in enumerate(self.recipe, 1):
            if entry.camera and entry.camera not in names:
                raise InputError(
                    f"recipe[{number}].camera is '{entry.camera}', expected one of: "
                    f"{', '.join(names)}{nearest(entry.camera, names)}"
                )

    @property
    def taught_folder(self) -> Path | None:
        """Where products taught while the line runs are kept; None: none can be."""
        return self.base / self.web.taught_folder if self.web else None


def load_config(path: Path) -> LineConfig:
    """Return the configuration in a TOML file; relative paths are relative to its folder.

    Raises:
        ArtefactNotFoundError: there is no such file.
        InputError: it is no TOML, or a table, key or value is not usable.
    """
    try:
        values = tomllib.loads(_read(path))
    except FileNotFoundError as err:
        raise ArtefactNotFoundError(
            f"there is no configuration at {path}; make one with: res2clip-run init {path}"
        ) from err
    except (OSError, UnicodeDecodeError) as err:
        raise InputError(f"{path} cannot be read: {err}") from err
    except ValueError as err:  # TOMLDecodeError, or a number of thousands of digits
        raise InputError(f"{path} is no TOML: {err}; texts stand in quotes") from err
    except RecursionError as err:
        raise InputError(f"{path} is no configuration: it is nested too deeply") from err
    return _from_values(values, path)


def _read(path: Path) -> str:
    """Return the file's text if it has the size of a configuration; a TOML reader has no limits."""
    with path.open(encoding="utf-8") as file:
        text = file.read(_MOST_CHARACTERS + 1)
    if len(text) > _MOST_CHARACTERS or max(map(len, text.split("\n"))) > _LONGEST_LINE:
        raise ValueError(
            f"it has more than {_MOST_CHARACTERS} characters, or a line more than {_LONGEST_LINE}"
        )
    return text


def _from_values(values: dict[str, Any], path: Path) -> LineConfig:
    if "base" in values:
        raise InputError(f"{path}: there is no table or key 'base'")
    base = path.absolute().parent
    try:
        config = read_table(LineConfig, values, where="", base=base)
    except InputError as err:
        raise InputError(f"{path}: {err}") from err
    return dataclasses.replace(config, base=base)
