"""res2clip's runtime: inspect pictures with an exported bundle and a recipe, without torch."""

from res2clip_runtime.bundle import Bundle
from res2clip_runtime.errors import Res2ClipError
from res2clip_runtime.inspector import Inspector
from res2clip_runtime.recipe import Recipe
from res2clip_runtime.verdict import Decision, Verdict

__all__ = ["Bundle", "Decision", "Inspector", "Recipe", "Res2ClipError", "Verdict"]
