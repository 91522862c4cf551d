"""A real line with a real camera behind a real server, and clients of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from drawn_parts import draw_part, save_parts
from line.components.child import await_true
from line.components.line_of import CollectedLine
from line.components.mjpeg_server import MjpegServer

from res2clip_runtime.inspector import Inspector
from res2clip_runtime.service.config import CameraTable
from res2clip_runtime.service.recipe_book import RecipeBook
from res2clip_runtime.service.recipe_file import RecipeFile, taught_files
from res2clip_runtime.service.settings import LineSettings
from res2clip_runtime.web import WebConfig, WebServer

pytest.importorskip("starlette", reason="the extra 'web' is not installed")
pytest.importorskip("uvicorn", reason="the extra 'web' is not installed")


@dataclasses.dataclass
class Served:
    """A line and its server."""

    run: CollectedLine
    web: WebServer
    folder: Path

    @property
    def url(self) -> str:
        return self.web.url.rstrip("/")

    def client(self, **headers: str) -> httpx.Client:
        """Return a client that marks itself as a program, as docs/http.md says."""
        return httpx.Client(
            base_url=self.url,
            headers={"X-Res2clip": "1", **headers},
            timeout=20,
            trust_env=False,
        )

    def await_parts(self, count: int) -> None:
        """Wait until so many parts more were decided."""
        self.run.await_verdicts(len(self.run.verdicts) + count)


Serve = Callable[..., Served]


@pytest.fixture(scope="session")
def recipe_files(inspector: Inspector, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The same parts as two products."""
    folder = tmp_path_factory.mktemp("recipes")
    files = []
    for product in ("washer", "nut"):
        files.append(folder / f"{product}.recipe.safetensors")
        inspector.teach([draw_part(seed) for seed in range(4)], product=product).save(files[-1])
    return files


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eighteen good parts and two scratched ones."""
    folder = save_parts(tmp_path_factory.mktemp("film"), 18, first_seed=10)
    return save_parts(folder, 2, first_seed=40, scratched=True)


@pytest.fixture(scope="session")
def camera(film: Path) -> Iterator[CameraTable]:
    """A live MJPEG camera for all tests that do not kill it."""
    pytest.importorskip("av", reason="the extra 'video' is not installed")
    with MjpegServer(film, fps=25) as server:
        yield CameraTable(name="top", source=server.url, retry_first_s=0.05)


@pytest.fixture
def serve(
    inspector: Inspector, recipe_files: list[Path], camera: CameraTable, tmp_path: Path
) -> Iterator[Serve]:
    """Start lines with servers; all are ended with the test."""
    with ExitStack() as stack:

        def start(
            *cameras: CameraTable,
            settings: LineSettings | None = None,
            taught: bool = True,
            stages: object = None,
            **web: object,
        ) -> Served:
            folder = Path(web.pop("folder", tmp_path / "page"))  # type: ignore[arg-type]
            files = [RecipeFile(file=_copy(f, tmp_path / "given")) for f in recipe_files if taught]
            files += taught_files(folder / "recipes")
            product = "washer" if taught else None
            model = stages or inspector.stages
            book = RecipeBook(files, model, product=product)  # type: ignore[arg-type]
            run = CollectedLine(model, book, *(cameras or (camera,)), settings=settings)  # type: ignore[arg-type]
            stack.enter_context(run)
            config = WebConfig(port=0, folder=folder, **web)  # type: ignore[arg-type]
            server = WebServer(config, run.line, add_sink=run.line.add_sink)
            stack.callback(server.close)
            return Served(run, server, folder)

        yield start


def _copy(file: Path, folder: Path) -> Path:
    """Return a copy that a test may change."""
    folder.mkdir(exist_ok=True)
    copy = folder / file.name
    if not copy.exists():
        copy.write_bytes(file.read_bytes())
    return copy


@pytest.fixture
def served(serve: Serve) -> Served:
    """A free-running line that gives verdicts, for everybody on this machine."""
    served = serve()
    served.run.await_verdicts(5)
    return served


@pytest.fixture
def client(served: Served) -> Iterator[httpx.Client]:
    with served.client() as client:
        await_true(lambda: client.get("/api/live.jpg").status_code == 200, "there is a picture")
        yield client
