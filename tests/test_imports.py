"""The walls of the house: who may import whom, and how large a room may grow."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "model_serving"
# From the top floor down. A room imports from floors below its own.
FLOORS = [
    {"catalogue", "declarations", "job_worker", "nginx", "score", "server", "status"},
    {"app", "node"},
    {"served"},
    {"resources"},
    {"web"},
    {"models"},
    {"jobs"},
    {"serving"},
    {"log", "address", "files", "metrics", "model_conf"},
    {"config"},
    {"conversion", "json_text", "proxies"},
    {"caller", "errors", "figures", "headers", "memory", "place"},
]
WEB = {"flask", "flask_restful", "flask_cors", "flask_swagger_ui", "werkzeug", "jsonschema"}
PLACES = ("model_serving/**/*.py", "main.py", "bin/*.py", "tests/load/*.py", "tests/benchmark/*.py")
SOURCES = sorted(path for place in PLACES for path in ROOT.glob(place))
PACKAGE_FILES = [path for path in SOURCES if path.name == "__init__.py"]


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph(PACKAGE, include_external_packages=True, cache_dir=None)


def _room(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def test_every_room_has_a_floor(graph: grimp.ImportGraph) -> None:
    rooms = {_room(module) for module in graph.find_children(PACKAGE)}
    assert rooms == set().union(*FLOORS)


def test_rooms_import_from_floors_below_alone(graph: grimp.ImportGraph) -> None:
    floor = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
    upward = [
        (importer, imported)
        for importer in graph.modules
        if _room(importer)
        for imported in graph.find_modules_directly_imported_by(importer)
        if imported.startswith(f"{PACKAGE}.")
        and _room(importer) != _room(imported)
        and floor[_room(importer)] >= floor[_room(imported)]
    ]
    assert upward == []


def test_no_modules_import_each_other_in_a_circle(graph: grimp.ImportGraph) -> None:
    circles = [
        (module, imported)
        for module in graph.modules
        if module.startswith(PACKAGE)
        for imported in graph.find_modules_directly_imported_by(module)
        if graph.chain_exists(importer=imported, imported=module)
    ]
    assert circles == []


@pytest.mark.parametrize("room", sorted(set().union(*FLOORS[FLOORS.index({"web"}) + 1 :])))
def test_room_below_the_web_knows_no_web(graph: grimp.ImportGraph, room: str) -> None:
    known = graph.find_upstream_modules(f"{PACKAGE}.{room}", as_package=True)
    assert known.isdisjoint(WEB)


@pytest.mark.parametrize("program", ["server", "catalogue", "status"])
def test_program_that_imports_the_app_later_knows_no_web(program: str) -> None:
    graph = grimp.build_graph(
        PACKAGE,
        include_external_packages=True,
        exclude_type_checking_imports=True,
        cache_dir=None,
    )
    known = graph.find_upstream_modules(f"{PACKAGE}.{program}", as_package=program == "server")
    assert known.isdisjoint(WEB | {f"{PACKAGE}.web", f"{PACKAGE}.app", f"{PACKAGE}.resources"})


def _functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_module_is_small_and_imports_at_its_top(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 250
    for function in _functions(path):
        assert (function.end_lineno or 0) - function.lineno < 40, function.name
        inner = [
            node for node in ast.walk(function) if isinstance(node, ast.Import | ast.ImportFrom)
        ]
        assert inner == [], function.name


@pytest.mark.parametrize("path", PACKAGE_FILES, ids=lambda path: path.parent.name)
def test_package_file_holds_a_docstring_and_names_alone(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree)
    kinds = (ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign, ast.Expr)
    assert all(isinstance(node, kinds) for node in tree.body)


def test_importing_everything_loads_no_model_and_starts_no_thread() -> None:
    script = (
        "import sys, threading, jieba, main, model_serving.app, model_serving.server.asgi_worker;"
        "assert not jieba.dt.initialized; assert 'jieba.posseg' not in sys.modules;"
        "assert threading.active_count() == 1;"
        "assert not {'celery', 'sqlalchemy'} & sys.modules.keys();"
        "assert not {'app', 'asgi'} & vars(main).keys()"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=ROOT)
