"""``res2clip score`` in real processes, on the checked-in bundle; killed in every way."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from drawn_parts import draw_part, save_parts
from PIL import Image

from res2clip_runtime.bundle import Bundle
from res2clip_runtime.inspector import Inspector

BUNDLE = Path(__file__).parents[1] / "runtime" / "data" / "tiny_bundle"
SIZE_PX = (640, 480)
PROGRAM = [sys.executable, "-c", "from res2clip.cli import main; main()", "score"]
RAY = {
    "RAY_AUTH_MODE": "token",
    "RAY_worker_niceness": "0",  # Ray's workers step back behind all else, also on a busy machine
}


@pytest.fixture(scope="module")
def recipes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recipes of a washer and of a nut (which is a washer, too)."""
    folder = tmp_path_factory.mktemp("recipes")
    parts = [draw_part(seed, size_px=SIZE_PX) for seed in range(10, 14)]
    with Inspector(Bundle.load(BUNDLE)) as inspector:
        for product in ("washer", "nut"):
            inspector.teach(parts, product=product).save(folder / f"{product}.recipe.safetensors")
    return folder


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 pictures, large enough to take some time, and a file that is none."""
    folder = tmp_path_factory.mktemp("archive")
    for seed in range(4):
        drawn = draw_part(seed, size_px=SIZE_PX, scratched=seed == 3)
        Image.fromarray(drawn).save(folder / f"{seed:03}.png", compress_level=1)
    for number in range(4, 60):
        shutil.copy(folder / f"{number % 4:03}.png", folder / f"{number:03}.png")
    (folder / "060.png").write_bytes(b"junk")
    return folder


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    home = tmp_path / "home"
    home.mkdir()
    return {**os.environ, **RAY, "HOME": str(home), "XDG_DATA_HOME": str(home / "data")}


@pytest.fixture
def start(
    tmp_path: Path, recipes: Path, environment: dict[str, str]
) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start the command in ``tmp_path``; what still runs at the end of the test is killed."""
    running = []

    def start(*arguments: object, recipe: str = "washer") -> subprocess.Popen[str]:
        model = ["--bundle", BUNDLE, "--recipe", recipes / f"{recipe}.recipe.safetensors"]
        process = subprocess.Popen(
            [*PROGRAM, *map(str, [*arguments, *model])],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()
        process.communicate()


@pytest.fixture
def call(start: Callable[..., subprocess.Popen[str]]) -> Callable[..., str]:
    """Run the command to its end and return its stdout, or its stderr where it fails."""

    def call(*arguments: object, code: int = 0, **options: str) -> str:
        process = start(*arguments, **options)
        out, err = process.communicate(timeout=300)
        assert process.returncode == code, err
        assert "Traceback" not in err
        return out or err

    return call


@pytest.fixture(scope="module")
def undisturbed(archive: Path, recipes: Path, tmp_path_factory: pytest.TempPathFactory) -> pa.Table:
    out = tmp_path_factory.mktemp("undisturbed") / "out.parquet"
    recipe = recipes / "washer.recipe.safetensors"
    options = ["--bundle", BUNDLE, "--recipe", recipe, "--out", out, "--shard-size", "4"]
    done = subprocess.run([*PROGRAM, str(archive), *map(str, options)], check=False)
    assert done.returncode == 1  # one picture is none
    table = pq.read_table(out)
    assert set(table["decision"].to_pylist()) == {"OK", "NG", "ERROR"}
    return table


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return save_parts(tmp_path / "parts", 1)


def parts_of(out: Path) -> set[str]:
    return {path.name for path in out.with_name(f"{out.name}.parts").glob("part-*")}


def wait_until(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + 120
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.01)


def descendants(pid: int) -> dict[int, str]:
    """Return the command line of every living process below ``pid``."""
    parents, names = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
            name = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if state != "Z":
            parents[int(folder.name)], names[int(folder.name)] = int(parent), name
    below = {pid}
    for _ in parents:
        more = {child for child, parent in parents.items() if parent in below} - below
        if not more:
            break
        below |= more
    return {child: names[child] for child in below - {pid} if child in names}


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_killed_run_with_workers_goes_on_and_ends_as_an_undisturbed_one(
    start: Callable[..., subprocess.Popen[str]],
    call: Callable[..., str],
    archive: Path,
    undisturbed: pa.Table,
    tmp_path: Path,
) -> None:
    out = tmp_path / "out.parquet"
    arguments = (archive, "--out", out, "--shard-size", 4, "--workers", 2)
    process = start(*arguments)
    wait_until(lambda: len(parts_of(out)) >= 2, process)
    below = descendants(process.pid)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    finished = parts_of(out)
    assert not out.exists()
    assert len(finished) < 16
    time.sleep(0.5)  # the workers see that their parent is gone
    assert not [name for pid, name in below.items() if alive(pid)]
    summary = json.loads(call(*arguments, "--json", code=1))
    assert summary["scored_now"] == 61 - 4 * len(finished)
    assert (summary["pictures"], summary["error"]) == (61, 1)
    assert pq.read_table(out).equals(undisturbed, check_metadata=True)
    assert not parts_of(out)


def test_run_killed_again_and_again_ends_as_an_undisturbed_one(
    start: Callable[..., subprocess.Popen[str]],
    archive: Path,
    undisturbed: pa.Table,
    tmp_path: Path,
) -> None:
    out = tmp_path / "out.parquet"
    kills = 0
    while not out.exists():
        process = start(archive, "--out", out, "--shard-size", 4)
        before = len(parts_of(out))
        while process.poll() is None and len(parts_of(out)) < before + 4:
            time.sleep(0.005)
        kills += process.poll() is None
        process.kill()
        process.wait()
    assert kills >= 2
    assert pq.read_table(out).equals(undisturbed, check_metadata=True)


def test_killed_worker_ends_the_run_in_one_line_and_the_next_goes_on(
    start: Callable[..., subprocess.Popen[str]],
    call: Callable[..., str],
    archive: Path,
    undisturbed: pa.Table,
    tmp_path: Path,
) -> None:
    out = tmp_path / "out.parquet"
    arguments = (archive, "--out", out, "--shard-size", 4, "--workers", 2)
    process = start(*arguments)
    wait_until(lambda: len(parts_of(out)) >= 2, process)
    workers = [pid for pid, name in descendants(process.pid).items() if "spawn_main" in name]
    os.kill(workers[0], signal.SIGKILL)
    _, err = process.communicate()
    assert process.returncode == 1
    assert "error: a worker process died" in err
    assert "Traceback" not in err
    call(*arguments, code=1)
    assert pq.read_table(out).equals(undisturbed, check_metadata=True)


def test_stopped_run_says_so_and_goes_on(
    start: Callable[..., subprocess.Popen[str]],
    call: Callable[..., str],
    archive: Path,
    undisturbed: pa.Table,
    tmp_path: Path,
) -> None:
    out = tmp_path / "out.parquet"
    process = start(archive, "--out", out, "--shard-size", 4)
    wait_until(lambda: len(parts_of(out)) >= 1, process)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    assert (process.returncode, err) == (130, "stopped; the same command goes on where it was\n")
    call(archive, "--out", out, "--shard-size", 4, code=1)
    assert pq.read_table(out).equals(undisturbed, check_metadata=True)


@pytest.mark.slow
def test_ray_scores_every_picture_once_though_a_worker_is_killed(
    start: Callable[..., subprocess.Popen[str]],
    archive: Path,
    undisturbed: pa.Table,
    tmp_path: Path,
) -> None:
    out = tmp_path / "out.parquet"
    process = start(archive, "--out", out, "--shard-size", 4, "--ray", "--workers", 2, "--json")
    seen: dict[int, str] = {}

    def workers(doing: str = "") -> list[int]:
        below = descendants(process.pid)
        seen.update(below)
        names = {pid: name for pid, name in below.items() if name.startswith("ray::MapWorker")}
        return [pid for pid, name in names.items() if doing in name]

    wait_until(lambda: bool(parts_of(out) and workers(doing=".submit")), process)
    (killed, *_) = workers(doing=".submit") or workers()
    os.kill(killed, signal.SIGKILL)
    assert len(parts_of(out)) < 16  # it was midway
    first = set(workers())
    while process.poll() is None:
        workers()
        time.sleep(0.05)
    text, err = process.communicate()
    assert process.returncode == 1, err  # one picture is none
    summary = json.loads(text)
    assert (summary["pictures"], summary["scored_now"], summary["error"]) == (61, 61, 1)
    table = pq.read_table(out)
    assert len(set(table["path"].to_pylist())) == 61
    assert table.equals(undisturbed, check_metadata=True)
    started = {pid for pid, name in seen.items() if name.startswith("ray::MapWorker")}
    assert started - first - {killed}, "no worker took the place of the killed one"
    end = time.monotonic() + 30
    while left := [name for pid, name in seen.items() if alive(pid)]:
        assert time.monotonic() < end, left
        time.sleep(0.1)


@pytest.mark.slow
def test_ray_does_not_wait_for_a_gpu_that_is_nowhere(call: Callable[..., str], good: Path) -> None:
    err = call(good, "--out", "o", "--ray", "--workers", 1, "--backend", "onnxruntime-cuda", code=1)
    assert "error: a worker needs 1 GPU, the Ray cluster has 0; use --backend onnxruntime" in err


def test_list_with_products_is_judged_by_each_products_recipe(
    call: Callable[..., str], archive: Path, recipes: Path, tmp_path: Path
) -> None:
    rows = [f"{archive}/003.png,nut", *[f"{archive}/000.png,washer"] * 2]
    (tmp_path / "list.csv").write_text("\n".join(["path,product", *rows]))
    text = call("list.csv", "--recipe", recipes / "nut.recipe.safetensors", "--out", "out.parquet")
    assert [line.split() for line in text.splitlines()[:3]] == [
        ["nut", "0", "OK", "1", "NG", "0", "ERROR"],
        ["washer", "1", "OK", "0", "NG", "0", "ERROR"],
        ["all", "1", "OK", "1", "NG", "0", "ERROR"],
    ]
    assert "1 were listed twice and scored once" in text
    table = pq.read_table(tmp_path / "out.parquet")
    assert table["product"].to_pylist() == ["nut", "washer"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nowhere", "--out", "out.parquet"), "error: there is nothing at nowhere"),
        (("list.csv", "--out", "out.parquet"), "error: list.csv has no column 'path'"),
        ((".", "--out", "out.parquet", "--recipe", "no"), "error: no recipe at no"),
        ((".", "--out", "out.parquet", "--backend", "magic"), "error: unknown backend 'magic'"),
    ],
)
def test_what_cannot_be_scored_is_refused_in_one_line(
    call: Callable[..., str], tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    (tmp_path / "list.csv").write_text("file\na.png\n")
    save_parts(tmp_path / "parts", 1)
    err = call(*arguments, code=1)
    assert err.startswith(message)
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        (".",),
        (".", "--out", "o", "--backbone", "mini"),
        (".", "--out", "o", "--heads", "h"),
        (".", "--out", "o", "--ray-address", "auto"),
        (".", "--out", "o", "--shard-size", "0"),
    ],
)
def test_wrong_usage_ends_with_2(call: Callable[..., str], arguments: tuple[str, ...]) -> None:
    call(*arguments, code=2)


@pytest.mark.parametrize(
    ("module", "options", "extra"), [("pyarrow", [], "archive"), ("ray", ["--ray"], "ray")]
)
def test_missing_extra_is_named_with_its_command(
    recipes: Path, tmp_path: Path, module: str, options: list[str], extra: str
) -> None:
    code = f"import sys; sys.modules[{module!r}] = None; {PROGRAM[2]}"
    recipe = recipes / "washer.recipe.safetensors"
    save_parts(tmp_path / "parts", 1)
    arguments = ["parts", "--recipe", recipe, "--bundle", BUNDLE, "--out", "out.parquet"]
    done = subprocess.run(
        [sys.executable, "-c", code, "score", *map(str, arguments), *options],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.endswith(f"Install it with: pip install 'res2clip[{extra}]'\n")
    assert len(done.stderr.splitlines()) == 1


def test_pytorch_scores_like_pytorch_inspects(
    tiny_checkpoint: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    import res2clip

    model = res2clip.Res2CLIP(res2clip.load_backbone(tiny_checkpoint))
    parts = save_parts(tmp_path / "parts", 3)
    recipe = model.teach(sorted(parts.glob("*.png")), product="washer")
    recipe.save(tmp_path / "recipe")
    arguments = ["parts", "--recipe", "recipe", "--backbone", str(tiny_checkpoint), "--out", "o"]
    subprocess.run([*PROGRAM, *arguments], cwd=tmp_path, env=environment, check=True)
    rows = pq.read_table(tmp_path / "o").to_pylist()
    assert [row["path"] for row in rows] == [f"parts/00{number}.png" for number in range(3)]
    for row in rows:
        verdict = model.inspect(tmp_path / row["path"], recipe)
        assert row["score"] == pytest.approx(verdict.score, abs=1e-5)
        assert row["decision"] == verdict.decision.value
