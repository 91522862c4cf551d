"""Cameras and streams without a configuration file: the same line, set up from the flags."""

from __future__ import annotations

from res2clip_runtime.cli.session import PicturesWanted, RunRequest

__all__ = ["run_live"]


def run_live(request: RunRequest) -> int:
    """Return the exit code of a line with one camera.

    Raises:
        Res2ClipError: the line could not begin.
    """
    from res2clip_runtime.cli.line import run_line
    from res2clip_runtime.service.config import CameraTable, LineConfig, LineTable, ModelTable
    from res2clip_runtime.service.recipe_file import RecipeFile
    from res2clip_runtime.sinks.kept_pictures import PicturesConfig
    from res2clip_runtime.sinks.rotating_jsonl import JsonlConfig

    out, wanted = request.out, request.pictures
    pictures = None
    if out is not None and wanted is not PicturesWanted.NONE:
        share = 1.0 if wanted is PicturesWanted.ALL else 0.0
        pictures = PicturesConfig(folder=out / "pictures", ok_share=share)
    name = request.source if request.source.isdigit() else "1"
    config = LineConfig(
        recipe=(
            RecipeFile(
                file=request.recipe,
                threshold=request.threshold,
                pixel_threshold=request.pixel_threshold,
            ),
        ),
        camera=(CameraTable(name=name, source=request.source, trigger=request.trigger),),
        line=LineTable(
            mode="free" if request.trigger == "off" else "trigger",
            deadline_ms=request.deadline_ms,
            limit=request.limit,
            print="json" if request.as_json else "text",
            wait_for_cameras=False,
        ),
        model=ModelTable(
            bundle=request.bundle,
            backend=request.backend,
            threads=request.threads,
            spin=request.options.spinning,
            arena=request.options.arena,
            gpu_memory_mb=request.options.gpu_memory_mb,
        ),
        jsonl=None if out is None else JsonlConfig(folder=out),
        pictures=pictures,
    )
    return run_line(config, service=False)
