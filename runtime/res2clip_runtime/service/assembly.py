"""From a configuration to a line, part by part."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from res2clip_runtime.errors import InputError, Res2ClipError
from res2clip_runtime.modbus import ModbusConfig, ModbusServer
from res2clip_runtime.opcua import OpcuaServer
from res2clip_runtime.recipe import Recipe
from res2clip_runtime.service.camera_plan import CameraPlan
from res2clip_runtime.service.config import LineConfig
from res2clip_runtime.service.line import Line
from res2clip_runtime.service.recipe_book import RecipeBook
from res2clip_runtime.service.recipe_file import RecipeFile, taught_files
from res2clip_runtime.sinks.backoff import Backoff
from res2clip_runtime.sinks.kept_pictures import KeptPictures
from res2clip_runtime.sinks.metrics_page import MetricsPage
from res2clip_runtime.sinks.mqtt_publisher import MqttPublisher
from res2clip_runtime.sinks.rotating_jsonl import RotatingJsonl
from res2clip_runtime.sinks.webhook import Webhook
from res2clip_runtime.sinks.worker import SinkWorker
from res2clip_runtime.stages import Stages
from res2clip_runtime.teaching import check_encoder
from res2clip_runtime.web import WebServer

__all__ = [
    "attach_controls",
    "build_line",
    "camera_plans",
    "check_products",
    "check_triggers",
    "close_all",
    "first_recipes",
    "open_sinks",
    "recipe_book",
]

logger = logging.getLogger(__name__)


def first_recipes(config: LineConfig) -> dict[Path, Recipe]:
    """Return every recipe of the configuration by its file, and those taught on the page.

    One that was taught and cannot be read is left out and said: the others go on.

    Raises:
        ArtefactNotFoundError: a file of the configuration is missing.
        ArtefactError: one is damaged.
    """
    recipes = {entry.file: Recipe.load(entry.file) for entry in config.recipe}
    for entry in _taught(config):
        try:
            recipes[entry.file] = Recipe.load(entry.file)
        except Res2ClipError as err:
            logger.error("recipe %s is left out: %s", entry.file, err)
    return recipes


def recipe_book(config: LineConfig, stages: Stages, loaded: dict[Path, Recipe]) -> RecipeBook:
    """Return the line's recipes, checked against the model.

    Raises:
        EncoderMismatchError: one belongs to another encoder.
        InputError: two are for the same, a camera has none, or ``line.product`` is unknown.
    """
    files = [*config.recipe, *(e for e in _taught(config) if _usable(e.file, loaded, stages))]
    book = RecipeBook(files, stages, product=config.line.product, first=loaded)
    for product in book.products:
        for camera in config.camera:
            if book.find(product, camera.name) is None:
                raise InputError(
                    f"the product '{product}' has no recipe for camera '{camera.name}'; add a "
                    f'[[recipe]] with camera = "{camera.name}", or one without camera for all'
                )
    return book


def _taught(config: LineConfig) -> list[RecipeFile]:
    folder, given = config.taught_folder, {entry.file for entry in config.recipe}
    return [e for e in taught_files(folder) if e.file not in given] if folder else []


def _usable(file: Path, loaded: dict[Path, Recipe], stages: Stages) -> bool:
    if file not in loaded:
        return False
    try:
        check_encoder(stages, loaded[file])
    except Res2ClipError as err:
        logger.error("recipe %s is left out: %s", file, err)
        return False
    return True


def camera_plans(config: LineConfig) -> list[CameraPlan]:
    """Return the line's cameras; what the line itself writes is no source of pictures."""
    tables = (config.jsonl, config.pictures, config.opcua, config.web)
    written = [config.base / table.folder for table in tables if table is not None]
    return [table.plan(base=config.base, exclude=written) for table in config.camera]


def open_sinks(config: LineConfig) -> list[SinkWorker]:
    """Return the line's outputs, each behind a worker of its own.

    Raises:
        OutputError: a place cannot be written.
        MissingExtraError: a package is missing.
        InputError: a setting cannot be used.
    """
    workers: list[SinkWorker] = []
    try:
        if config.jsonl is not None:
            workers.append(SinkWorker(RotatingJsonl(config.jsonl), name="jsonl", pictures=False))
        if config.pictures is not None:
            kept = KeptPictures(config.pictures)
            workers.append(SinkWorker(kept, name="pictures", capacity=16, wants=kept.wants))
        if config.mqtt is not None:
            publisher = MqttPublisher(config.mqtt, line=config.line.name)
            workers.append(SinkWorker(publisher, name="mqtt", pictures=False))
        if config.webhook is not None:
            backoff = Backoff(attempts=config.webhook.attempts)
            hook = Webhook(config.webhook)
            workers.append(SinkWorker(hook, name="webhook", pictures=False, backoff=backoff))
    except BaseException:
        close_all(workers)
        raise
    return workers


def close_all(sinks: Sequence[SinkWorker]) -> None:
    """Close sinks of a line that could not begin."""
    for sink in sinks:
        sink.close()


def attach_controls(config: LineConfig, line: Line, stack: ExitStack) -> None:
    """Let Modbus, OPC UA, the page and Prometheus at the line; ``stack`` closes what serves them.

    Raises:
        OutputError: an address cannot be listened on.
        MissingExtraError: a package is missing.
        InputError: the PLC may choose a product of which there is no recipe.
    """
    if config.modbus is not None:
        check_products(config.modbus, line.products)
        server = stack.enter_context(ModbusServer(config.modbus, line))
        line.add_listener(server.take)
        line.add_control(server.health)
    if config.opcua is not None:
        opcua = dataclasses.replace(config.opcua, folder=config.base / config.opcua.folder)
        triggers = config.line.mode == "trigger" and not _by_input(config)
        jobs = OpcuaServer(opcua, line, line=config.line.name, triggers=triggers)
        stack.enter_context(jobs)
        line.add_listener(jobs.take)
        line.add_control(jobs.health)
    if config.web is not None:
        web = dataclasses.replace(config.web, folder=config.base / config.web.folder)
        stack.enter_context(WebServer(web, line, add_sink=line.add_sink))
    if config.metrics is not None:
        page = SinkWorker(MetricsPage(config.metrics, line), name="metrics", pictures=False)
        line.add_sink(page)


def check_triggers(config: LineConfig) -> None:
    """Refuse a line that waits for triggers which nobody can give.

    Raises:
        InputError: it has neither a PLC nor a page nor a camera with an input.
    """
    commands = config.modbus or config.opcua or config.web
    if config.line.mode == "trigger" and not (commands or _by_input(config)):
        raise InputError(
            'mode = "trigger", but no trigger can ever come; add [modbus] or [web] or [opcua], '
            'give a camera trigger = "line0", or set mode = "free"'
        )


def _by_input(config: LineConfig) -> bool:
    return any(table.trigger.startswith("line") for table in config.camera)


def check_products(config: ModbusConfig, products: tuple[str, ...]) -> None:
    """Refuse a number of the PLC that stands for no product.

    Raises:
        InputError: ``modbus.recipes`` names a product of which there is no recipe.
    """
    for number, product in config.recipes.items():
        if product not in products:
            raise InputError(
                f"modbus.recipes.{number} is {product!r}, of which there is no recipe; "
                f"there are: {', '.join(products)}"
            )


def build_line(
    config: LineConfig, *, stages: Stages, recipes: RecipeBook, sinks: Sequence[SinkWorker] = ()
) -> Line:
    """Return the line, not yet started; it owns the sinks, which are closed if this fails.

    Raises:
        InputError: the cameras do not fit each other or the mode.
    """
    try:
        return Line(
            config.line, stages=stages, recipes=recipes, cameras=camera_plans(config), sinks=sinks
        )
    except BaseException:
        close_all(sinks)
        raise
