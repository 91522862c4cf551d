"""``res2clip export``: a bundle that runs without torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from res2clip.cli.model_options import BackboneOption, HeadsOption, ImageSizeOption, load_model
from res2clip.cli.triton import export_triton
from res2clip.cli.trt import EngineRequest, build_engines
from res2clip_runtime.sources.picture_paths import find_pictures

if TYPE_CHECKING:
    from res2clip_runtime.bundle import Bundle

__all__ = ["export"]


def export(
    backbone: BackboneOption = "mini",
    image_size: ImageSizeOption = None,
    heads: HeadsOption = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="The bundle's folder; by default it is installed."),
    ] = None,
    precision: Annotated[
        str, typer.Option(help="Arithmetic of the encoder: fp32, fp16, bf16, int8 or int8-bf16.")
    ] = "fp32",
    pictures: Annotated[
        str | None,
        typer.Option(
            metavar="DIR|GLOB",
            help="Pictures to prove parity on: a category with its masks, or 4 or more, the first "
            "two good; default: drawn ones.",
        ),
    ] = None,
    calibration: Annotated[
        str | None,
        typer.Option(
            metavar="DIR|GLOB",
            help="Good pictures that int8 is calibrated on; default: good ones that do not judge.",
        ),
    ] = None,
    backend: Annotated[
        str | None,
        typer.Option(help="Engine that must pass; default: onnxruntime, with bf16 openvino."),
    ] = None,
    triton: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Write a Triton Inference Server model repository of an exported bundle instead.",
        ),
    ] = None,
    recipe: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="With --triton: a product to serve; several allowed."),
    ] = None,
    trt: Annotated[
        bool,
        typer.Option("--trt", help="Build TensorRT engines of a bundle, for this device."),
    ] = False,
    trt_target: Annotated[
        list[str] | None,
        typer.Option(
            metavar="rtx:smNN",
            help="Build TensorRT-RTX engines of a bundle for cards elsewhere; several allowed.",
        ),
    ] = None,
    trt_batch: Annotated[int, typer.Option(help="With --trt: most pictures at once.")] = 1,
    trt_shots: Annotated[int, typer.Option(help="With --trt: most references of a recipe.")] = 8,
    trt_workspace: Annotated[
        int, typer.Option(metavar="MIB", help="With --trt: most scratch memory of a layer.")
    ] = 2048,
    bundle: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="With --triton, --trt, --trt-target: the bundle; default: the installed one that "
            "fits.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Manifest and parity as JSON.")] = False,
) -> None:
    """Export encoder, match and heads as ONNX, proved equal to PyTorch before they are written.

    **Examples**

        res2clip export

        res2clip export --backbone ViT-L-14-336-quickgelu:openai --pictures good/

        res2clip export --precision int8 --calibration good/ --pictures mvtec/bottle

        res2clip export --out bundles/mini

        res2clip export --trt --bundle bundles/mini

        res2clip export --trt-target rtx:sm86 --trt-target rtx:sm120 --trt-shots 16

        res2clip export --triton model_repository --recipe washer.recipe.safetensors

    Every stage, score and verdict is compared with PyTorch in fp32 on noise and on pictures.
    Outside the limits of the precision no bundle is written, the stage, the figure and the layer
    are named, and the exit code is 1. `res2clip verify BUNDLE` repeats it on any machine.

    `--trt`, `--trt-target` and `--triton` export nothing anew and need no torch: the first two
    build engines of a bundle that is there and keep them in it (docs/tensorrt.md), the third
    arranges it for a server (docs/triton.md).
    """
    if triton is not None:
        typer.echo(export_triton(triton, bundle, recipe or [], as_json=as_json))
        return
    if recipe:
        raise typer.BadParameter("--recipe goes with --triton DIR")
    if trt or trt_target:
        request = EngineRequest(
            bundle=bundle,
            targets=tuple(trt_target or ()),
            max_batch=trt_batch,
            shots=trt_shots,
            workspace_mib=trt_workspace,
        )
        typer.echo(build_engines(request, as_json=as_json))
        return
    if bundle is not None:
        raise typer.BadParameter("--bundle goes with --triton, --trt or --trt-target")
    from res2clip_export import bundle_name, export_bundle
    from res2clip_export.parity_pictures import pictures_at
    from res2clip_runtime.bundle import bundles_directory

    model = load_model(backbone, image_size=image_size, heads=heads, match="sparse_radial_knn")
    target = out or bundles_directory() / bundle_name(model, precision)
    with Console(stderr=True).status("exporting") as status:
        exported = export_bundle(
            model,
            target,
            precision,
            pictures=pictures_at(pictures) if pictures else (),
            calibration=find_pictures(calibration).paths if calibration else (),
            backend=backend,
            progress=lambda what: status.update(what),
        )
    typer.echo(_json_text(exported) if as_json else _text(exported))


def _json_text(bundle: Bundle) -> str:
    manifest = json.loads(bundle.manifest.to_json())
    return json.dumps({"path": str(bundle.directory), "manifest": manifest})


def _text(bundle: Bundle) -> str:
    manifest, parity = bundle.manifest, bundle.manifest.parity
    size_mb = sum(entry.bytes for entry in manifest.files.values()) / 1e6
    return "\n".join(
        [
            f"bundle   {bundle.directory} ({size_mb:.1f} MB)",
            f"encoder  {manifest.method.encoder_id[:12]}  {manifest.backbone['name']}, "
            f"{manifest.method.image_size_px} px, heads: {manifest.heads}",
            f"parity   {parity['backend']} ({parity['arithmetic']}): smallest cosine "
            f"{parity['cosine']:.6f} in {parity['cosine_where']}, largest difference "
            f"{parity['max_abs']:.1e} in {parity['where']}; "
            f"{parity['verdicts_changed']} of {parity['verdicts']} verdicts changed",
            "next     res2clip-run --source PARTS/ --recipe NAME.recipe.safetensors",
        ]
    )
