"""How many small faults the tests find: `python -m benchmarks.mutation [--each 40] [--seed 0]`.

In turn, one operator, comparison, number or truth value of the modules that everything is judged or trained by is
changed, and the module's own tests run, in a process that is forked once libraries are loaded. The last line is
a JSON object: killed and all mutants of each module, and the survivors by line.
"""

import argparse
import ast
import importlib.abc
import importlib.util
import json
import os
import random
import resource
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parent.parent
TESTS = {
    "erkd.evaluation.metrics.official": ("test_metrics.py",),
    "erkd.evaluation.metrics.gradients": ("test_metrics.py",),
    "erkd.evaluation.metrics.edges": ("test_metrics.py",),
    "erkd.evaluation.metrics.inputs": ("test_metrics.py",),
    "erkd.data.trimap_generation": ("test_trimap.py",),
    "erkd.data.compositing": ("test_composite.py",),
    "erkd.students.losses": ("test_losses.py",),
}
SWAPS: dict[type, type] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult, ast.Pow: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.Lt: ast.LtE,
    ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.And: ast.Or,
    ast.Or: ast.And, ast.Invert: ast.UAdd, ast.USub: ast.UAdd,
}  # fmt: skip
SECONDS = 60  # of processor time; a mutant that takes longer is found


def places(tree: ast.AST) -> Iterator[tuple[ast.AST, Callable[[], None]]]:
    """Every node that can be changed, with what changes it; annotations, messages and texts are left out."""
    skipped = {
        id(inner)
        for node in ast.walk(tree)
        for part in (getattr(node, "annotation", None), getattr(node, "returns", None), *_words(node))
        if isinstance(part, ast.AST)
        for inner in ast.walk(part)
    }
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.BinOp | ast.AugAssign | ast.UnaryOp | ast.BoolOp) and type(node.op) in SWAPS:
            yield node, lambda node=node: setattr(node, "op", SWAPS[type(node.op)]())
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            yield (
                node,
                lambda node=node: (
                    setattr(node, "op", ast.Not())
                    or setattr(node, "operand", ast.UnaryOp(ast.Not(), node.operand))
                ),
            )
        elif isinstance(node, ast.Compare) and type(node.ops[0]) in SWAPS:
            yield node, lambda node=node: node.ops.__setitem__(0, SWAPS[type(node.ops[0])]())
        elif isinstance(node, ast.Constant) and isinstance(node.value, bool | int | float):
            changed = not node.value if isinstance(node.value, bool) else node.value + 1
            yield node, lambda node=node, changed=changed: setattr(node, "value", changed)


def _words(node: ast.AST) -> Sequence[ast.AST | None]:
    """What is for people's eyes, or for the type checker's."""
    if isinstance(node, ast.Raise):
        return (node.exc,)
    if isinstance(node, ast.Assign) and isinstance(node.value, ast.Subscript):  # a type's other name
        return (node.value,)
    return (node,) if isinstance(node, ast.JoinedStr) else ()


def mutant(source: str, number: int) -> tuple[str, int, str]:
    """The source with its change of this number, and the line before and after."""
    tree = ast.parse(source)
    node, change = [*places(tree)][number]
    before = ast.unparse(node)
    change()
    line = getattr(node, "lineno", 0)
    return ast.unparse(ast.fix_missing_locations(tree)), line, f"{before} -> {ast.unparse(node)}"


class _Replaced(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports one module from a text instead of its file."""

    def __init__(self, name: str, source: str) -> None:
        self.name, self.source = name, source

    def find_spec(self, name: str, path: object = None, target: object = None) -> object:
        return importlib.util.spec_from_loader(name, self) if name == self.name else None

    def create_module(self, spec: object) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        exec(compile(self.source, f"<mutant of {self.name}>", "exec"), module.__dict__)


def survives(name: str, source: str) -> bool:
    """Whether the tests of a module pass with another source of it."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
            silence = os.open(os.devnull, os.O_WRONLY)
            os.dup2(silence, 1)
            os.dup2(silence, 2)
            import pytest

            sys.meta_path.insert(0, _Replaced(name, source))  # type: ignore[arg-type]
            files = [str(ROOT / "tests" / file) for file in TESTS[name]]
            code = int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", "-m", "not slow", *files]))
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            os._exit(code)
    _, status = os.waitpid(child, 0)
    return status == 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--each", type=int, default=0, help="mutants of each module, drawn; 0: all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--modules", nargs="*", default=[*TESTS])
    arguments = parser.parse_args()
    import cv2
    import pytest
    import torch

    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    loaded = [module.__name__ for module in (cv2, pytest, torch)]
    print(f"loaded: {', '.join(loaded)}")
    result: dict[str, object] = {}
    killed = tried = 0
    for name in arguments.modules:
        source = (ROOT / name.replace(".", "/")).with_suffix(".py").read_text(encoding="utf-8")
        assert survives(name, source), f"{name}: its tests fail as it is"
        numbers = [*range(len([*places(ast.parse(source))]))]
        random.Random(arguments.seed).shuffle(numbers)
        survivors = []
        chosen = sorted(numbers[: arguments.each or None])
        for number in chosen:
            changed, line, what = mutant(source, number)
            if survives(name, changed):
                survivors.append(f"line {line}: {what}")
                print(f"{name} {survivors[-1]}", flush=True)
        result[name] = {
            "mutants": len(chosen),
            "killed": len(chosen) - len(survivors),
            "survivors": survivors,
        }
        killed, tried = killed + len(chosen) - len(survivors), tried + len(chosen)
        print(f"{name}: {len(chosen) - len(survivors)} of {len(chosen)} found", flush=True)
    print(
        json.dumps(
            {"mutants": tried, "killed": killed, "share": round(killed / max(tried, 1), 3), "modules": result}
        )
    )


if __name__ == "__main__":
    main()
