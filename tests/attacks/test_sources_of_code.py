"""No file of ours has a call that would run, unpack or unpickle what others wrote."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_PACKAGES = ("res2clip", "export/res2clip_export", "runtime/res2clip_runtime")
_FORBIDDEN = {
    "eval", "exec", "os.system", "os.popen", "pickle.load", "pickle.loads", "marshal.loads",
    "shelve.open", "yaml.load", "tarfile.open", "shutil.unpack_archive", "torch.jit.load",
}  # fmt: skip
_ALLOWED = {
    # Between processes of one Ray cluster, which trust each other: no file, nothing from outside.
    ("runtime/res2clip_runtime/picture_archive/cluster.py", "pickle.loads"),
}


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def test_nothing_that_others_wrote_is_run_or_unpickled() -> None:
    found = set()
    for package in _PACKAGES:
        for path in sorted((_ROOT / package).rglob("*.py")):
            where = path.relative_to(_ROOT).as_posix()
            for name, call in calls(ast.parse(path.read_text(encoding="utf-8"))):
                options = {k.arg: ast.unparse(k.value) for k in call.keywords}
                careless = (
                    name in _FORBIDDEN
                    or name.endswith((".extractall", ".extract"))
                    or (name == "torch.load" and options.get("weights_only") != "True")
                    or (name in ("np.load", "numpy.load") and "allow_pickle" in options)
                    or options.get("shell") == "True"
                )
                if careless:
                    found.add((where, name))
    assert found == _ALLOWED
