"""The configuration: what it takes, and what its messages say."""

from __future__ import annotations

import dataclasses
import json
import re
from contextlib import closing
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from res2clip_runtime.cli.app import app
from res2clip_runtime.cli.config_run import KEYS
from res2clip_runtime.doctor import Status
from res2clip_runtime.errors import ArtefactNotFoundError, InputError
from res2clip_runtime.inspector import Inspector
from res2clip_runtime.service.assembly import (
    camera_plans,
    check_triggers,
    first_recipes,
    recipe_book,
)
from res2clip_runtime.service.config import LineConfig, load_config
from res2clip_runtime.service.config.template import template
from res2clip_runtime.service.dry_run import check_outputs
from res2clip_runtime.sinks.jsonl_file import JsonlFile
from res2clip_runtime.sinks.rotating_jsonl import RotatingJsonl

LEAST = '[[recipe]]\nfile = "a.recipe.safetensors"\n[[camera]]\nsource = "parts"\n'


def load(tmp_path: Path, text: str) -> LineConfig:
    path = tmp_path / "line.toml"
    path.write_text(text, encoding="utf-8")
    return load_config(path)


def test_least_configuration_has_defaults_and_paths_beside_the_file(tmp_path: Path) -> None:
    config = load(tmp_path, LEAST)
    assert config.recipe[0].file == tmp_path / "a.recipe.safetensors"
    assert config.camera[0].place(config.base) == str(tmp_path / "parts")
    assert (config.line.mode, config.line.deadline_ms, config.jsonl) == ("free", 1000.0, None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[line]\ndeadlin_ms = 5\n", r"has no key 'deadlin_ms'; did you mean 'deadline_ms'"),
        ("[lines]\n", r"no table or key 'lines'; did you mean 'line'"),
        ("[line]\ndeadline_ms = 'fast'\n", r"line.deadline_ms is 'fast', expected a number"),
        ("[line]\ndeadline_ms = -1\n", r"line: deadline_ms must be above 0, got -1"),
        ("[line]\nmode = 'free run'\n", r"line.mode is 'free run', expected one of: 'free'"),
        ("[line]\nlimit = 2.5\n", r"line.limit is 2.5, expected a whole number"),
        ("[line]\nwait_for_cameras = 1\n", r"line.wait_for_cameras is 1, expected true or false"),
        ("[line]\ntrigger_queue = true\n", r"line.trigger_queue is True, expected a whole number"),
        ("[model]\nthreads = 0\n", r"model: threads is 0, expected 1 or more"),
        ("[jsonl]\n", r"jsonl.folder is missing; give it a path"),
        ("[mqtt]\nhost = 'a'\nport = 99999\n", r"mqtt.port is 99999, expected a whole number 0 to"),
        ("[mqtt]\nhost = 'a'\npassword = 'x'\n", r"no key 'password'; did you mean 'password_"),
        ("line = 3\n", r"line is 3, expected a table: \[line\]"),
        ("base = 'x'\n", r"no table or key 'base'"),
        ("[modbus.recipes]\none = 'washer'\n", r"modbus.recipes has the key 'one'"),
        ("[web]\nhost = '0.0.0.0'\n", r"web.host is '0.0.0.0', which others .* web.users_file"),
        ("[web]\nnames = [1]\n", r"web.names\[1\] is 1, expected a text"),
        ("[http]\nport = 1\n", r"no table or key 'http'"),
        ("[line\n", r"line.toml is no TOML"),
    ],
)  # fmt: skip
def test_message_names_table_key_value_and_remedy(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load(tmp_path, text + LEAST)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[[camera]]\nsource = "0"\n', r"there is no recipe; add a table \[\[recipe\]\] with file"),
        ('[[recipe]]\nfile = "a"\n', r"camera is missing; at least one such table"),
        ('[[recipe]]\nfile = "a"\n[[camera]]\nname = "top"\n', r"camera\[1\].source is missing"),
        ('[[recipe]]\nfile = "a"\n[camera]\nsource = "0"\n', r"camera is a table, expected tables"),
        (LEAST + 'fps = "fast"\n', r"camera\[1\].fps is 'fast', expected a number"),
        (LEAST + 'trigger = "soft"\n', r'camera\[1\]: trigger must be "off", "software"'),
        (LEAST + 'password = "x"\n', r"camera\[1\]\] has no key 'password'; did you mean 'pass"),
    ],
)  # fmt: skip
def test_message_numbers_the_camera(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load(tmp_path, text)


def test_recipe_for_a_camera_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    text = LEAST.replace("[[camera]]", 'camera = "tpo"\n[[camera]]\nname = "top"')
    with pytest.raises(InputError, match=r"recipe\[1\].camera is 'tpo', expected one of: top; did"):
        load(tmp_path, text)


def test_camera_without_a_recipe_is_refused(
    tmp_path: Path, inspector: Inspector, recipe_file: Path
) -> None:
    text = (
        f'[[recipe]]\nfile = {json.dumps(str(recipe_file))}\ncamera = "top"\n'
        '[[camera]]\nname = "top"\nsource = "a"\n[[camera]]\nname = "side"\nsource = "b"\n'
    )
    config = load(tmp_path, text)
    with pytest.raises(InputError, match="'washer' has no recipe for camera 'side'"):
        recipe_book(config, inspector.stages, first_recipes(config))


def test_configuration_that_is_not_there_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ArtefactNotFoundError, match=r"make one with: res2clip-run init"):
        load_config(tmp_path / "none.toml")


def test_places_of_cameras_stay_as_they_are(tmp_path: Path) -> None:
    places = ["0", "rtsp://a/b", "gige://10.0.0.5", "csi://0", "gst:videotestsrc", "pylon://1"]
    text = "".join(f'[[camera]]\nname = "c{i}"\nsource = "{p}"\n' for i, p in enumerate(places))
    config = load(tmp_path, '[[recipe]]\nfile = "a"\n' + text + LEAST.partition("\n[[")[0][:0])
    assert [camera.place(config.base) for camera in config.camera] == places


def test_watched_folder_is_relative_to_the_file(tmp_path: Path) -> None:
    config = load(tmp_path, LEAST.replace('"parts"', '"watch:incoming"'))
    assert config.camera[0].place(config.base) == f"watch:{tmp_path / 'incoming'}"


def test_template_is_valid_as_it_is(tmp_path: Path) -> None:
    text = template(name="line.toml", source=None, recipe=None, bundle=None)
    config = load(tmp_path, text)
    assert config.camera[0].source == "parts"
    assert config.line.print == "text"
    assert config.jsonl is not None


def test_every_line_of_the_template_that_is_left_out_is_valid_too(tmp_path: Path) -> None:
    """Each is uncommented: a key that is renamed cannot stay behind in the template."""
    text = template(name="line.toml", source=None, recipe=None, bundle=None)
    lines, seen = [], set()
    for line in text.splitlines():
        bare = re.sub(r"^# (?=[\w.]+ = |\[)", "", line)
        key = bare.partition(" =")[0]
        if bare.startswith("["):
            seen.clear()
        if " = " in bare and key in seen:
            continue  # another example of the same key
        seen.add(key)
        lines.append(bare)
    config = load(tmp_path, "\n".join(lines))
    tables = {field.name for field in dataclasses.fields(config)} - {"base"}
    assert not [name for name in tables if getattr(config, name) is None]
    assert config.line.product == "washer"
    assert config.modbus.recipes == {1: "washer"}


def test_template_quotes_what_would_break_it(tmp_path: Path) -> None:
    nasty = 'gst:videotestsrc ! "x" \\ # y'
    text = template(name="line.toml", source=nasty, recipe="ä \t.safetensors", bundle=None)
    assert load(tmp_path, text).camera[0].source == nasty


def test_every_flag_has_its_key() -> None:
    command = typer.main.get_command(app)
    flags = {p.name for p in command.params} - {"help", "config", "dry_run"}
    assert flags == set(KEYS)


def test_keys_that_stand_for_flags_exist() -> None:
    import typing

    hints = typing.get_type_hints(LineConfig)
    for text in KEYS.values():
        for table, key in re.findall(r"\[+(\w+)\]+ (\w+)", text):
            kind = hints[table]
            kind = next((k for k in typing.get_args(kind) if dataclasses.is_dataclass(k)), kind)
            assert key in {f.name for f in dataclasses.fields(kind)}, text


@pytest.mark.parametrize(
    ("flags", "key"),
    [
        (["--threshold", "0.5"], "[[recipe]] threshold"),
        (["--json"], '[line] print = "json"'),
        (["--source", "parts"], "[[camera]] source"),
        (["--no-arena"], "[model] arena"),
    ],
)
def test_flag_beside_a_configuration_is_refused_with_its_key(flags: list[str], key: str) -> None:
    done = CliRunner().invoke(app, ["--config", "line.toml", *flags], env={"COLUMNS": "300"})
    assert done.exit_code == 2
    assert key in " ".join(done.stderr.replace("│", " ").split())


def test_dry_run_needs_a_configuration() -> None:
    done = CliRunner().invoke(app, ["--dry-run", "--source", "a", "--recipe", "b"])
    assert done.exit_code == 2


def test_init_takes_the_recipe_beside_it_and_replaces_nothing(
    tmp_path: Path, recipe_file: Path
) -> None:
    (tmp_path / "washer.recipe.safetensors").write_bytes(recipe_file.read_bytes())
    file = tmp_path / "line3.toml"
    assert CliRunner().invoke(app, ["init", str(file)]).exit_code == 0
    assert load_config(file).recipe[0].file == tmp_path / "washer.recipe.safetensors"
    again = CliRunner().invoke(app, ["init", str(file)])
    assert again.exit_code == 1
    assert "--force" in again.stderr
    assert CliRunner().invoke(app, ["init", str(file), "--force"]).exit_code == 0


@pytest.mark.parametrize("trigger", ["line0", "software"])
def test_trigger_that_a_source_does_not_have_ends_the_start(tmp_path: Path, trigger: str) -> None:
    config = load(tmp_path, LEAST + f'trigger = "{trigger}"\n')
    with pytest.raises(InputError, match=rf'camera camera: .* has no trigger .*"{trigger}"'):
        camera_plans(config)


def test_line_that_nobody_can_trigger_is_refused(tmp_path: Path) -> None:
    text = '[line]\nmode = "trigger"\n' + LEAST
    with pytest.raises(InputError, match="no trigger can ever come"):
        check_triggers(load(tmp_path, text))
    check_triggers(load(tmp_path, text + "[web]\n"))
    by_input = text.replace('"parts"', '"gige://10.0.0.5"') + 'trigger = "line0"\n'
    check_triggers(load(tmp_path, by_input))


def test_dry_run_looks_at_the_products_of_the_plc_and_who_writes_the_results(
    tmp_path: Path,
) -> None:
    text = LEAST + '[jsonl]\nfolder = "out"\n[modbus]\nport = 5020\nrecipes = { 1 = "bolt" }\n'
    config = load(tmp_path, text)
    with closing(JsonlFile(tmp_path / "out" / RotatingJsonl.NAME)):
        checks = {check.name: check for check in check_outputs(config, ("washer",))}
    assert checks["jsonl"].status is Status.MISSING
    assert "another run is writing" in checks["jsonl"].detail
    assert checks["modbus.recipes"].status is Status.MISSING
    assert (
        "'bolt', of which there is no recipe; there are: washer" in checks["modbus.recipes"].detail
    )
    checks = {check.name: check for check in check_outputs(config, ("bolt",))}
    assert (checks["jsonl"].status, checks["modbus.recipes"].status) == (Status.OK, Status.OK)
