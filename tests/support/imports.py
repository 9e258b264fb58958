"""Which local files a module runs when it is imported, followed through the source."""

import ast
from functools import cache
from pathlib import Path

from tests.support import ROOT

LOCAL = ("erkd", "pipeline")


@cache
def module_files(module: str) -> list[Path]:
    """The files that importing `module` runs: its own, and the `__init__.py` of every package above it."""
    parts = module.split(".")
    packages = [ROOT.joinpath(*parts[:depth], "__init__.py") for depth in range(1, len(parts) + 1)]
    own = ROOT.joinpath(*parts).with_suffix(".py")
    return [file for file in [*packages, own] if file.is_file()]


@cache
def imported_modules(file: Path) -> set[str]:
    """The names of all modules that a file imports, local or not; imports for type checkers are left out."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    typing_only = {
        id(child)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for child in ast.walk(node)
    }
    modules = set()
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return modules


@cache
def local_files(module: str) -> set[Path]:
    """All local files that `module` runs, itself included, relative to the project's root."""
    found: set[Path] = set()
    waiting = [*module_files(module)]
    while waiting:
        file = waiting.pop()
        if file in found:
            continue
        found.add(file)
        for name in imported_modules(file):
            if name.split(".")[0] in LOCAL:
                waiting += module_files(name)
    return {file.relative_to(ROOT) for file in found}
