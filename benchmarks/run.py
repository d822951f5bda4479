"""Run all benchmarks and print one table; ``--save`` also appends it to docs/results.md.

    python benchmarks/run.py [--save] [NAME ...]

NAME restricts to benchmarks whose module name contains it, e.g. ``production``.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.util
import os
import platform
import sys
from pathlib import Path
from types import ModuleType

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))


def machine() -> str:
    """Name, processor and cores of this machine."""
    model = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    return f"{platform.node()}: {model}, {len(os.sched_getaffinity(0))} cores, Python {platform.python_version()}"


def load(path: Path) -> ModuleType:
    """The benchmark module at ``path``."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not a Python module")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def table(rows: list[tuple[str, dict]]) -> str:
    """Rows of (module, result) as a Markdown table."""
    lines = ["| benchmark | what | value | unit |", "|---|---|---|---|"]
    lines += [f"| {name} | {r['name']} | {r['value']:,.4g} | {r['unit']} |" for name, r in rows]
    return "\n".join(lines)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="only benchmarks whose name contains one of these")
    parser.add_argument("--save", action="store_true", help="append the table to docs/results.md")
    options = parser.parse_args()
    rows = []
    for path in sorted(HERE.glob("bench_*.py")):
        if options.names and not any(name in path.stem for name in options.names):
            continue
        sys.stderr.write(f"{path.stem} ...\n")
        rows += [(path.stem.removeprefix("bench_"), result) for result in load(path).run()]
    text = (
        f"{datetime.date.today()}, {machine()}, `python benchmarks/run.py {' '.join(options.names)}`".rstrip(" `") + "`"
    )
    text += "\n\n" + table(rows) + "\n"
    print(text)
    if options.save:
        results = HERE.parent / "docs" / "results.md"
        with results.open("a", encoding="utf-8") as handle:
            handle.write(f"\n### Benchmarks of {text}")


if __name__ == "__main__":
    main()
