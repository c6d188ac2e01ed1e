"""The house has floors: nothing imports upward, and no room is too large."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("extractor", "training", "worker")
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
MOST_LINES = 400

FOUNDATION = {"extractor.errors", "extractor.readings", "extractor.names"}
HEAVY = {"tensorflow", "keras", "matplotlib"}
SERVICES = {"celery", "kombu", "redis", "sqlalchemy", "psycopg", "click"}


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path, *, at_import_only: bool = False) -> set[str]:
    """Full names of all modules that a module imports, in functions and under TYPE_CHECKING too."""
    package = name_of(path) if path.name == "__init__.py" else name_of(path).rpartition(".")[0]
    found = set()
    for node in _nodes(ast.parse(path.read_text(encoding="utf-8")), at_import_only):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*parents, base] if base else parents)
            found.add(base)
            # "from training import fit" names a module as well.
            found |= {f"{base}.{alias.name}" for alias in node.names if _is_module(f"{base}.{alias.name}")}
    return found


def _nodes(tree: ast.AST, at_import_only: bool):
    for node in ast.iter_child_nodes(tree):
        yield node
        if not (at_import_only and isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))):
            yield from _nodes(node, at_import_only)


def _is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def tops(path: Path) -> set[str]:
    return {name.partition(".")[0] for name in imports(path)}


def ours(path: Path) -> set[str]:
    return {name for name in imports(path) if name.partition(".")[0] in PACKAGES}


@pytest.fixture(params=MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def module(request) -> Path:
    return request.param


def test_nothing_imports_upward(module):
    name = name_of(module)
    if name in FOUNDATION:
        assert ours(module) <= FOUNDATION
    elif name.startswith("extractor"):
        assert {top for top in tops(module) if top in PACKAGES} <= {"extractor"}
    elif name.startswith("training"):
        assert "worker" not in tops(module)
    else:
        assert "training" not in tops(module), "a worker reads; it never trains"
        if not name.startswith("worker.cli"):
            assert not {other for other in ours(module) if other.startswith("worker.cli")}


def test_only_training_knows_tensorflow_and_matplotlib(module):
    if not name_of(module).startswith("training"):
        assert not tops(module) & HEAVY


def test_the_extractor_knows_no_queue_no_database_no_command_line(module):
    if name_of(module).startswith("extractor"):
        assert not tops(module) & SERVICES


def test_training_imports_tensorflow_in_one_place_only(module):
    if name_of(module) != "training.backend":
        assert not tops(module) & {"tensorflow", "keras"}
    assert not {name.partition(".")[0] for name in imports(module, at_import_only=True)} & HEAVY


def test_no_module_is_two_ideas(module):
    assert len(module.read_text(encoding="utf-8").splitlines()) <= MOST_LINES


def test_every_module_says_what_it_is(module):
    assert ast.get_docstring(ast.parse(module.read_text(encoding="utf-8")))


def test_modules_that_load_each_other_make_no_circle():
    """Imports that run when a module is loaded form no cycle."""
    names = {name_of(path): path for path in MODULES}
    edges = {
        name: {other for other in imports(path, at_import_only=True) if other in names and other != name}
        for name, path in names.items()
    }
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " -> ".join([*trail[trail.index(name) :], name])
        if name not in done:
            for other in sorted(edges[name]):
                visit(other, (*trail, name))
            done.add(name)

    for name in sorted(edges):
        visit(name, ())


def test_every_import_is_known():
    """Standard library, our own packages, or what pyproject.toml asks for."""
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [
        *project["dependencies"],
        *(item for group in project["optional-dependencies"].values() for item in group),
    ]
    packages = {item.split("[")[0].split(">")[0].split(" ")[0].lower().replace("-", "_") for item in wanted}
    homes = {"cv2": "opencv_python_headless", "stdnum": "python_stdnum", "yaml": "pyyaml"}
    # These come with celery itself.
    packages |= {"kombu", "billiard", "amqp"} if "celery" in packages else set()
    for path in MODULES:
        for top in tops(path) - set(PACKAGES) - sys.stdlib_module_names:
            assert homes.get(top, top) in packages, f"{path.relative_to(ROOT)} imports {top}"
