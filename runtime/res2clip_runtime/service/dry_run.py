"""Whether everything a configuration names is there and works, tried one by one."""

from __future__ import annotations

import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

from res2clip_runtime.doctor import Check, Status
from res2clip_runtime.errors import OutputError, Res2ClipError, SourceError
from res2clip_runtime.inspector import Inspector
from res2clip_runtime.modbus import ModbusConfig
from res2clip_runtime.opcua import OpcuaConfig
from res2clip_runtime.opcua.own_certificate import own_certificate
from res2clip_runtime.service.assembly import camera_plans, check_products
from res2clip_runtime.service.camera_plan import CameraPlan
from res2clip_runtime.service.config import LineConfig
from res2clip_runtime.service.recipe_book import RecipeBook
from res2clip_runtime.service.users import load_users
from res2clip_runtime.sinks.jsonl_file import check_unlocked
from res2clip_runtime.sinks.mqtt_publisher import MqttConfig, MqttPublisher
from res2clip_runtime.sinks.rotating_jsonl import RotatingJsonl
from res2clip_runtime.storage import output_error
from res2clip_runtime.web import WebConfig
from res2clip_runtime.web.tls_server import server_context

__all__ = ["check_cameras", "check_outputs", "check_recipes"]

_PICTURE_S = 10.0
_CONNECT_S = 5.0


def check_recipes(book: RecipeBook, inspector: Inspector) -> Iterator[Check]:
    """Yield what can be said of each product."""
    score_id = inspector.spec.score_id
    for product in book.products:
        recipe = next(r for name in ("", *book.cameras) if (r := book.find(product, name)))
        threshold = recipe.thresholds.get(score_id)
        if threshold is None:
            detail = "no threshold for this model: every verdict would be ERROR"
            remedy = "teach two or more good parts, or set threshold in its [[recipe]]"
            yield _check(f"recipe {product}", Status.MISSING, detail, remedy)
        else:
            references = len(recipe.references)
            yield _check(
                f"recipe {product}",
                Status.OK,
                f"threshold {threshold.score:.4g} ({threshold.source}), {references} good parts",
            )
    if not book.products:
        detail = "nothing is taught yet: until then every answer is ERROR"
        yield _check("recipes", Status.WARN, detail, "teach a product on the page")
    elif not book.product:
        yield _check(
            "line.product",
            Status.WARN,
            f"there are several products ({', '.join(book.products)}) and none is chosen at first",
            "set product in [line], or choose by Modbus or the page; until then all is ERROR",
        )


def check_cameras(config: LineConfig) -> Iterator[Check]:
    """Yield, for each camera, whether it opens and gives a picture."""
    for plan in camera_plans(config):
        yield _tried(f"camera {plan.name}", lambda plan=plan: _one_picture(plan))  # type: ignore[misc]


def check_outputs(config: LineConfig, products: tuple[str, ...]) -> Iterator[Check]:
    """Yield, for each output, whether its place or server can be reached; nothing is written.

    Args:
        config: what the line would run.
        products: those of which there is a recipe.
    """
    if (jsonl := config.jsonl) is not None:
        yield _tried("jsonl", lambda: _free(jsonl.folder))
    if (pictures := config.pictures) is not None:
        yield _tried("pictures", lambda: _writable(pictures.folder))
    if (mqtt := config.mqtt) is not None:
        # A name of its own: a running line of this configuration keeps its connection.
        yield _tried("mqtt", lambda: _broker(mqtt, f"{config.line.name}-dry-run"))
    if (modbus := config.modbus) is not None and modbus.recipes:
        yield _tried("modbus.recipes", lambda: _numbered(modbus, products))
    if (webhook := config.webhook) is not None:
        parts = urlsplit(webhook.url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        yield _tried("webhook", lambda: _reached(str(parts.hostname), port))
    if (opcua := config.opcua) is not None:
        yield _tried("opcua.users_file", lambda: _can_prove(opcua))
    if config.web is not None:
        yield from _page(config.web, config.base)
    for name, table in (("modbus", config.modbus), ("metrics", config.metrics),
                        ("opcua", config.opcua), ("web", config.web)):  # fmt: skip
        if table is not None:
            host, port = table.host, table.port
            yield _tried(name, lambda host=host, port=port: _listens(host, port))  # type: ignore[misc]


def _one_picture(plan: CameraPlan) -> str:
    with plan.open() as source:
        if plan.trigger.startswith("line") or (source.waits and not source.has_trigger):
            return f"{source.describe()}; waits for what comes, so no picture was taken"
        if plan.trigger == "software":
            source.trigger()
        until_s = time.monotonic() + _PICTURE_S
        while (left_s := until_s - time.monotonic()) > 0:
            if source.read(left_s) is not None:
                return source.describe()
        raise SourceError(
            f"{source.describe()} opens, but gave no picture in {_PICTURE_S:g} s; check it"
        )


def _page(web: WebConfig, base: Path) -> Iterator[Check]:
    yield _tried("web.folder", lambda: _writable(base / web.folder))
    if (users := web.users_file) is not None:
        yield _tried("web.users_file", lambda: f"{len(load_users(users).all)} users in {users}")
    if web.certificate and web.private_key:
        files = (web.certificate, web.private_key)
        yield _tried("web.certificate", lambda: _certified(*files))


def _certified(certificate: Path, private_key: Path) -> str:
    server_context(certificate, private_key)
    return f"{certificate} can be used"


def _writable(folder: Path) -> str:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"x" * 4096)
    except OSError as err:
        raise output_error(folder, err) from err
    return f"{folder} can be written"


def _free(folder: Path) -> str:
    """Return that verdicts can be written to ``folder``, and that no other run does so."""
    text = _writable(folder)
    check_unlocked(folder / RotatingJsonl.NAME)
    return text


def _numbered(config: ModbusConfig, products: tuple[str, ...]) -> str:
    check_products(config, products)
    return ", ".join(f"{number} = {product}" for number, product in config.recipes.items())


def _can_prove(config: OpcuaConfig) -> str:
    """Return who may come; the server's own certificate is read only where it is given."""
    if config.certificate is not None:
        own_certificate(
            config.folder,
            certificate=config.certificate,
            private_key=config.private_key,
            line="",
            host=config.host,
        )
    if config.users_file is None:
        return "none: everybody on this machine is an engineer"
    users = load_users(config.users_file).all
    return ", ".join(f"{user.name} ({user.role})" for user in users) or "nobody"


def _broker(config: MqttConfig, line: str) -> str:
    publisher = MqttPublisher(config, line=line)
    try:
        publisher.wait_connected(_CONNECT_S)
    finally:
        publisher.close()
    return f"{config.host}:{config.port_used} accepts the connection"


def _reached(host: str, port: int) -> str:
    try:
        socket.create_connection((host, port), _CONNECT_S).close()
    except OSError as err:
        raise OutputError(
            err.errno, f"{host}:{port} cannot be reached: {err}; check address and network"
        ) from err
    return f"{host}:{port} can be reached"


def _listens(host: str, port: int) -> str:
    try:
        socket.create_server((host, port)).close()
    except OSError as err:
        raise OutputError(
            err.errno,
            f"cannot listen at {host}:{port}: {err.strerror or err}; is the line running already?",
        ) from err
    return f"{host}:{port} is free"


def _tried(name: str, work: Callable[[], str]) -> Check:
    try:
        return _check(name, Status.OK, work())
    except Res2ClipError as err:
        text = err.strerror if isinstance(err, OSError) and err.strerror else str(err)
        return _check(name, Status.MISSING, " ".join(text.split()))


def _check(name: str, status: Status, detail: str, remedy: str = "") -> Check:
    return Check(name=name, status=status, detail=detail, remedy=remedy)
