"""The house rules: linters, types, import direction, sizes, laziness.  They break the build."""

from __future__ import annotations

import ast
import os
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted(p for folder in ("taumltools", "tasks") for p in (ROOT / folder).rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))

HEAVY = {
    "numpy", "awkward", "uproot", "h5py", "tensorflow", "keras", "mlflow", "hydra", "omegaconf", "pydantic", "scipy",
    "matplotlib", "bokeh", "pandas", "pyarrow", "fastjet", "pythia8mc", "numba", "taumltools",
}  # fmt: skip


def run(*command: str) -> subprocess.CompletedProcess[str]:
    executable = shutil.which(command[0]) or str(Path(sys.executable).with_name(command[0]))
    return subprocess.run([executable, *command[1:]], cwd=ROOT, capture_output=True, text=True)


@pytest.mark.parametrize(
    "command",
    [
        ("ruff", "check", "."),
        ("ruff", "format", "--check", "."),
        ("mypy",),
        ("lint-imports", "--no-cache"),
    ],
    ids=["ruff check", "ruff format", "mypy", "import-linter"],
)
def test_tool_is_content(command):
    done = run(*command)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]


def functions(path: Path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def percentile_90(numbers: list[int]) -> float:
    return statistics.quantiles(numbers, n=10)[-1]


def test_modules_are_small():
    lines = {p: len(p.read_text(encoding="utf-8").splitlines()) for p in SOURCES if p.name != "__init__.py"}
    assert statistics.median(lines.values()) <= 200
    assert percentile_90(list(lines.values())) <= 400
    too_long = {str(p.relative_to(ROOT)): n for p, n in lines.items() if n > 450}
    assert not too_long


def test_functions_are_small():
    sizes = {
        f"{p.relative_to(ROOT)}:{f.name}": (f.end_lineno or 0) - f.lineno + 1 for p in SOURCES for f in functions(p)
    }
    assert percentile_90(list(sizes.values())) <= 60
    assert not {name: n for name, n in sizes.items() if n > 80}


def test_public_functions_are_documented_and_typed():
    public = [(p, f) for p in SOURCES for f in functions(p) if not f.name.startswith("_")]
    bare = [f"{p.relative_to(ROOT)}:{f.name}" for p, f in public if not ast.get_docstring(f)]
    untyped = [f"{p.relative_to(ROOT)}:{f.name}" for p, f in public if f.returns is None]
    assert len(bare) <= 0.05 * len(public), bare
    assert len(untyped) <= 0.05 * len(public), untyped


def test_tests_are_at_least_seven_tenths_of_the_source():
    source, tests = (sum(p.read_text(encoding="utf-8").count("\n") for p in group) for group in (SOURCES, TESTS))
    assert tests >= 0.7 * source, (tests, source)


def test_task_modules_import_only_law_luigi_and_the_standard_library():
    odd = []
    for path in (ROOT / "tasks").glob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            odd += [f"{path.name}: {name}" for name in names if name.split(".")[0] in HEAVY]
    assert not odd


def test_loading_all_tasks_loads_nothing_heavy():
    code = (
        "import sys, importlib, pathlib\n"
        "for p in pathlib.Path('tasks').glob('*.py'): importlib.import_module(f'tasks.{p.stem}')\n"
        f"print(sorted({HEAVY!r} & set(sys.modules)))"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def test_results_are_not_written_past_publish():
    # law's own writers are not atomic: a killed job would leave a target that looks complete
    banned = (".dump(", '.open("w', ".localize(")
    found = [f"{p.name}: {word}" for p in (ROOT / "tasks").glob("*.py") for word in banned if word in p.read_text()]
    assert not found


def test_no_print_and_no_leftovers():
    words = ("TODO", "FIXME", "XXX")
    found = [f"{p}: {word}" for p in SOURCES for word in words if word in p.read_text(encoding="utf-8")]
    assert not found


def test_the_project_stands_alone():
    listed = run("git", "ls-files")
    tracked = listed.stdout.split() if listed.returncode == 0 else []
    assert tracked, "not a git checkout"
    outside = "../" + "shared"
    found = [
        name
        for name in tracked
        if (ROOT / name).suffix in {".py", ".md", ".sh", ".yaml", ".yml", ".cfg", ".toml", ".txt"}
        and (ROOT / name).exists()
        and outside in (ROOT / name).read_text(encoding="utf-8")
    ]
    assert not found
