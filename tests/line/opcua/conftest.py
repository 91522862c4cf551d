"""What the tests of OPC UA share: a model, two recipes, certificates of clients, a served line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from drawn_parts import draw_part, save_parts
from line.components.line_of import CollectedLine
from line.components.mjpeg_server import MjpegServer
from line.components.opcua_client import OpcuaClient
from line.components.served_line import Identity, Serve, Served

from res2clip_runtime.inspector import Inspector
from res2clip_runtime.opcua import OpcuaConfig, OpcuaServer
from res2clip_runtime.opcua.own_certificate import own_certificate
from res2clip_runtime.service.config import CameraTable
from res2clip_runtime.service.recipe_book import RecipeBook
from res2clip_runtime.service.recipe_file import RecipeFile
from res2clip_runtime.service.settings import LineSettings

pytest.importorskip("asyncua", reason="the extra 'opcua' is not installed")


@pytest.fixture(scope="session")
def recipe_files(inspector: Inspector, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The same parts as two products."""
    folder = tmp_path_factory.mktemp("recipes")
    parts = [draw_part(seed) for seed in range(4)]
    for product in ("washer", "nut"):
        inspector.teach(parts, product=product).save(folder / f"{product}.recipe.safetensors")
    return [folder / f"{product}.recipe.safetensors" for product in ("washer", "nut")]


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A good part."""
    return save_parts(tmp_path_factory.mktemp("film"), 1, first_seed=10)


@pytest.fixture(scope="session")
def scratched_film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_parts(tmp_path_factory.mktemp("film"), 1, first_seed=20, scratched=True)


def _serving(
    stack: ExitStack, inspector: Inspector, recipe_files: list[Path], folder: Path
) -> Serve:
    def serve(film: Path, mode: str = "trigger", product: str = "washer", **changes) -> Served:
        pytest.importorskip("av", reason="the extra 'video' is not installed")
        camera = stack.enter_context(MjpegServer(film, fps=25))
        files = [RecipeFile(file=path) for path in recipe_files]
        book = RecipeBook(files, inspector.stages, product=product or None)
        table = CameraTable(name="top", source=camera.url, retry_first_s=0.1, retry_most_s=0.3)
        settings = LineSettings(mode=mode, deadline_ms=5000)  # type: ignore[arg-type]
        line = CollectedLine(inspector.stages, book, table, settings=settings)
        config = OpcuaConfig(**{"port": 0, "folder": folder, "pause_s": 0.02, **changes})
        server = OpcuaServer(config, line.line, line="line3", triggers=mode == "trigger")
        stack.callback(server.close)
        line.line.add_listener(server.take)
        line.line.add_control(server.health)
        stack.enter_context(line)
        return Served(line, server, camera, folder)

    return serve


@pytest.fixture(scope="module")
def serve(
    inspector: Inspector, recipe_files: list[Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Serve]:
    """Return a function that serves a line until the module's end."""
    with ExitStack() as stack:
        yield _serving(stack, inspector, recipe_files, tmp_path_factory.mktemp("opcua"))


@pytest.fixture(scope="module")
def served(serve: Serve, film: Path) -> Served:
    """A triggered line that sees a good part, on the loopback without security."""
    return serve(film)


@pytest.fixture(scope="module")
def long_client(served: Served) -> Iterator[OpcuaClient]:
    with OpcuaClient() as client:
        client.connect(served.server.port)
        client.do("subscribe")
        yield client


@pytest.fixture
def client(long_client: OpcuaClient) -> OpcuaClient:
    """A client that finds the server ready."""
    long_client.await_state("Ready")
    return long_client


@pytest.fixture(scope="session")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Identity]:
    """Return a function that makes the certificate of a client of a name."""
    made: dict[str, Identity] = {}

    def make(name: str) -> Identity:
        if name not in made:
            folder = tmp_path_factory.mktemp(name)
            own = own_certificate(
                folder, certificate=None, private_key=None, line=name, host="127.0.0.1"
            )
            made[name] = Identity(folder, own.application_uri)
        return made[name]

    return make
