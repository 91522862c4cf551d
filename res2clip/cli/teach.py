"""``res2clip teach``: a recipe from good pictures, with the PyTorch model."""

from __future__ import annotations

from res2clip.cli.model_options import (
    BackboneOption,
    HeadsOption,
    ImageSizeOption,
    MatchOption,
    load_model,
)
from res2clip_runtime.cli.teach import TeachRequest, run_teach
from res2clip_runtime.cli.teach_options import (
    AddOption,
    ForceOption,
    JsonOption,
    OutOption,
    PicturesArgument,
    ProductOption,
    RemoveOption,
)

__all__ = ["teach"]


def teach(
    pictures: PicturesArgument = None,
    product: ProductOption = None,
    backbone: BackboneOption = "mini",
    image_size: ImageSizeOption = None,
    heads: HeadsOption = None,
    match: MatchOption = "sparse_radial_knn",
    out: OutOption = None,
    add: AddOption = None,
    remove: RemoveOption = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Teach a product from a handful of good pictures.

    **Examples**

        res2clip teach --product washer good/*.png

        res2clip teach --product washer good/ --backbone ViT-L-14-336-quickgelu:openai

        res2clip teach --add washer.recipe.safetensors new_good.png

        res2clip teach --add washer.recipe.safetensors --remove blurred.png

    A recipe serves every bundle with the same encoder; `res2clip-run teach` does the same on the
    edge box, without torch.
    """
    request = TeachRequest(
        pictures=tuple(pictures or ()),
        product=product,
        change=add,
        remove=tuple(remove or ()),
        out=out,
        force=force,
    )
    model = load_model(backbone, image_size=image_size, heads=heads, match=match)
    run_teach(model, request, as_json=as_json, program="res2clip")
