"""Which of TensorRT's names some Python files use, found in their syntax trees.

Classes of variables are told by annotations (``network: trt.INetworkDefinition``), by construction
(``library.trt.Runtime(...)``) and by the return types in TensorRT's own signatures.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Use", "trt_uses"]

Api = Mapping[str, Mapping[str, str]]
_ROOTS = ("trt", "library.trt", "self.trt", "module")
"""How our code calls TensorRT's module."""


@dataclass(frozen=True, slots=True)
class Use:
    """A name of TensorRT in our code."""

    place: str
    """File and line."""
    kind: str
    """The class it belongs to; empty for the module itself."""
    name: str
    """The member, class or function."""
    arguments: int | None = None
    """Positional arguments, where it is called."""
    keywords: tuple[str, ...] = ()
    """Names of keyword arguments, where it is called."""


def trt_uses(files: Iterable[Path], api: Api) -> list[Use]:
    """Return every use in ``files``; ``api`` tells what the methods return."""
    return [use for path in files for use in _Reader(path, api).uses]


class _Reader(ast.NodeVisitor):
    def __init__(self, path: Path, api: Api) -> None:
        self.uses: list[Use] = []
        self._path = path
        self._api = api
        self._kinds: dict[str, str] = {}  # of variables, attributes and functions
        tree = ast.parse(path.read_text(encoding="utf-8"))
        self._returns = {
            node.name: kind
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef) and (kind := _annotated(node.returns))
        }
        self._calls = {id(n.func): n for n in ast.walk(tree) if isinstance(n, ast.Call)}
        self.visit(tree)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        for base in node.bases:
            if (kind := self._class_named(base)) is not None:
                for method in node.body:  # what TensorRT calls must be called so
                    if isinstance(method, ast.FunctionDef) and method.name != "__init__":
                        self._add(node, kind, method.name)
        self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        outer = dict(self._kinds)
        for argument in (*node.args.args, *node.args.kwonlyargs):
            if kind := _annotated(argument.annotation):
                self._kinds[argument.arg] = kind
        self.generic_visit(node)
        kept = {name: kind for name, kind in self._kinds.items() if name.startswith("self.")}
        self._kinds = {**outer, **kept}

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if kind := _annotated(node.annotation):
            self._kinds[ast.unparse(node.target)] = kind
        self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        kind = self._kind_of(node.value)
        for target in node.targets:
            if kind and ast.unparse(target) not in self._kinds:
                self._kinds[ast.unparse(target)] = kind
            if isinstance(node.value, ast.ListComp) and (each := self._kind_of(node.value.elt)):
                self._kinds[f"{ast.unparse(target)}[]"] = each
        self.generic_visit(node)

    def visit_ListComp(self, node: ast.ListComp) -> None:
        for generator in node.generators:
            kind = self._kind_of(generator.iter) or self._element_of(generator.iter)
            if kind:
                self._kinds[ast.unparse(generator.target)] = kind
        self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if ast.unparse(node.value) in _ROOTS:
            self._add(node, "", node.attr)
        elif (kind := self._class_named(node.value) or self._kind_of(node.value)) is not None:
            self._add(node, kind, node.attr)
        self.generic_visit(node)

    def _add(self, node: ast.expr | ast.stmt, kind: str, name: str) -> None:
        if name.startswith("__") and kind:  # Python's own
            return
        call = self._calls.get(id(node))
        self.uses.append(
            Use(
                place=f"{self._path.name}:{node.lineno}",
                kind=kind,
                name=name,
                arguments=len(call.args) if call else None,
                keywords=tuple(k.arg for k in call.keywords if k.arg) if call else (),
            )
        )

    def _class_named(self, node: ast.expr) -> str | None:
        """Return X for ``library.trt.X``."""
        named = isinstance(node, ast.Attribute) and ast.unparse(node.value) in _ROOTS
        return node.attr if named and node.attr in self._api else None

    def _kind_of(self, node: ast.expr) -> str | None:
        """Return the class that an expression is an object of."""
        if (kind := self._kinds.get(ast.unparse(node))) is not None:
            return kind
        if not isinstance(node, ast.Call):
            return None
        if (kind := self._class_named(node.func)) is not None:
            return kind
        if isinstance(node.func, ast.Name):
            return self._returns.get(node.func.id)
        if isinstance(node.func, ast.Attribute):
            owner = self._kind_of(node.func.value)
            signature = self._api.get(owner or "", {}).get(node.func.attr, "")
            found = re.search(r"-> (?:\w+::)?I?(\w+)$", signature)
            known = [k for k in self._api if found and k in (found[1], f"I{found[1]}")]
            return known[0] if known else self._returns.get(node.func.attr)
        return None

    def _element_of(self, node: ast.expr) -> str | None:
        """Return the class of the elements of a list that a comprehension made."""
        return self._kinds.get(f"{ast.unparse(node)}[]")


def _annotated(annotation: ast.expr | None) -> str | None:
    found = re.search(r"\btrt\.(\w+)\b(?!\.)", ast.unparse(annotation)) if annotation else None
    return found[1] if found else None
