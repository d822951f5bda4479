"""Shuffle and merge, step by step, from each store: ``python benchmarks/bench_sampling.py [--scale]``.

Every step runs in a process of its own, so that its CPU time and its largest memory are known.
Inputs are mock candidates: in our own stores with all branches of the schema, as "CMS ROOT" with as many branches and
baskets as the files that the C++ tools were measured with.  ``--scale`` instead mixes up to 10^7
entries (hard links of one file) to see that cost grows linearly and memory does not grow.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import re
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from taumltools.config import load_campaign
from taumltools.config.binned import BinnedConfig
from taumltools.config.sampling import SamplingConfig
from taumltools.config.validation import ValidationConfig
from taumltools.sampling.acceptance import make_plan
from taumltools.sampling.counted import CountedFile
from taumltools.sampling.gather import ADDED, choose_part, write_part
from taumltools.sampling.partition import InputFile
from taumltools.sampling.repeated import find_in_dataset
from taumltools.sampling.sample import Sample, bin_counts
from taumltools.sampling.spectra import count_spectra
from taumltools.tuples import rootwrite
from taumltools.tuples.io import TupleWriter, open_tuples, write_tuples
from taumltools.tuples.mock import mock_tuples
from taumltools.tuples.schema import tautuple_schema

FILES, ENTRIES = 3, 14_300
"""Entries of a file as in the measurement of the C++ tools."""

CMS_BASKET, CMS_BRANCHES = 230, 386
"""Entries per basket, and branches, as in that measurement: some 24,000 baskets a file.  Our own files have all 711
branches."""

CONFIG = SamplingConfig(lastbin_takeall=True, lastbin_disbalance=100, enable_emptybin=True, n_jobs=1)


def cms_branches() -> list[str]:
    """All scalars, then the collections with most objects, until there are as many as in 2020."""
    schema = tautuple_schema()
    counts = {prefix: len(c) for prefix, c in mock_tuples(100).collections.items()}
    names = sorted(schema.branches, key=lambda n: -counts.get(schema.branches[n].collection, 1 << 30))
    return names[:CMS_BRANCHES]


def inputs(folder: Path, kind: str) -> list[InputFile]:
    """The input files of one kind, made on first use."""
    suffix = "arrow" if kind == "arrow" else "root"
    paths = [folder / kind / f"taus_{i}.{suffix}" for i in range(FILES)]
    for seed, path in enumerate(paths):
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            make_file(path, kind, seed)
    return [InputFile(path, ENTRIES, "mock") for path in paths]


def make_file(path: Path, kind: str, seed: int) -> None:
    """One file: ``arrow``, ``root`` (as we write it), or ``cms-<codec>`` with small baskets."""
    tuples = mock_tuples(ENTRIES, seed=seed)
    if not kind.startswith("cms"):
        write_tuples(path, tuples)
        return
    block, rootwrite.BLOCK = rootwrite.BLOCK, CMS_BASKET
    try:
        with TupleWriter(path, cms_branches(), kind.removeprefix("cms-")) as writer:
            writer.append(tuples)
    finally:
        rootwrite.BLOCK = block


def spectra(folder: Path, kind: str) -> int:
    """CreateSpectralHists."""
    return sum(count_spectra(file.path, CONFIG.spectra).entries for file in inputs(folder, kind))


def duplicates(folder: Path, kind: str) -> int:
    """FindDuplicates."""
    files = inputs(folder, kind)
    find_in_dataset(files, 1000, folder)
    return sum(file.entries for file in files)


def read_all(folder: Path, kind: str) -> int:
    """Reading all branches."""
    total = 0
    for file in inputs(folder, kind):
        with open_tuples(file.path) as reader:
            total += sum(len(chunk) for chunk in reader.iterate(step=reader.block))
    return total


def spectral(folder: Path, kind: str, **changes: object) -> int:
    """ShuffleMergeSpectral: entries read."""
    files = inputs(folder, kind)
    if kind.startswith("cms"):  # what is not in the input is not written as missing
        kept = set(cms_branches()) | set(ADDED)
        changes["disabled_branches"] = tuple(name for name in tautuple_schema().branches if name not in kept)
    config = replace(CONFIG, **changes)
    counted = [CountedFile(f, count_spectra(f.path, config.spectra)) for f in files]
    sample = Sample(files, config, bin_counts=bin_counts(counted, config))
    part = choose_part(sample, make_plan(counted, config), job=0, rng=np.random.default_rng(0))
    write_part(folder / f"part.{config.format}", part, config, folder)
    return part.yields.read


def split(folder: Path, kind: str, suffix: str) -> int:
    """CreateBinnedTuples: entries read."""
    from taumltools.sampling.split import split as split_files

    out = Path(tempfile.mkdtemp(dir=folder)) / "binned"
    return split_files(inputs(folder, kind), BinnedConfig(format=suffix), out, scratch=folder).read


def merge(folder: Path, kind: str) -> int:
    """ShuffleMerge, both steps: entries written."""
    from taumltools.sampling.merge_bins import merge as merge_files
    from taumltools.sampling.merge_plan import plan_merge
    from taumltools.sampling.merge_sources import binned_files
    from taumltools.sampling.size_list import make_size_list
    from taumltools.sampling.split import split as split_files

    config = replace(load_campaign("demo").binned, format=kind)
    config = replace(config, steps={n: replace(s, skip_empty_bins=True) for n, s in config.steps.items()})
    where = folder / f"binned_{kind}"
    if not where.exists():
        split_files(inputs(folder, kind), config, where, scratch=folder)
        return 0
    files, written = binned_files(make_size_list(where).entries, where), 0
    for name in config.steps:
        step, made = config.step(name), {}
        for output, sources in step.merged_files().items():
            path = folder / f"{output}.{step.format}"
            plan = plan_merge(output, files, sources, step)
            account = merge_files(plan, step, config, path, rng=np.random.default_rng(0), scratch=folder)
            made[path.name] = account["written"]
            written += account["written"]
        files = binned_files(made, folder)
    return written


def validate(folder: Path, kind: str) -> int:
    """ValidateShuffle of three files: entries read."""
    from taumltools.sampling.validation import validate_sample

    files = inputs(folder, kind)
    validate_sample([file.path for file in files], ValidationConfig())
    return sum(file.entries for file in files)


STEPS: dict[str, tuple[Callable[..., int], tuple]] = {
    "spectra, from CMS ROOT": (spectra, ("cms-lz4",)),
    "spectra, native": (spectra, ("arrow",)),
    "duplicates, native": (duplicates, ("arrow",)),
    "read all, CMS ROOT ZLIB": (read_all, ("cms-zlib",)),
    "read all, CMS ROOT LZ4": (read_all, ("cms-lz4",)),
    "read all, CMS ROOT ZSTD": (read_all, ("cms-zstd",)),
    "read all, native": (read_all, ("arrow",)),
    "split to 474 files, native": (split, ("arrow", "arrow")),
    "split to 474 files, CMS ROOT to native": (split, ("cms-zlib", "arrow")),
    "split to 474 files, CMS ROOT to ROOT": (split, ("cms-zlib", "root")),
    "(splitting for the next, native)": (merge, ("arrow",)),
    "binned merge, native": (merge, ("arrow",)),
    "(splitting for the next, ROOT)": (merge, ("root",)),
    "binned merge, ROOT": (merge, ("root",)),
    "validation, native": (validate, ("arrow",)),
    "validation, ROOT": (validate, ("cms-lz4",)),
}
"""Steps by name; the first of two equal ones makes what the second needs."""

MIXES: dict[str, tuple[str, dict[str, object]]] = {
    "spectral merge, native": ("arrow", {}),
    "spectral merge, native, 60 MB": ("arrow", {"memory_mb": 60}),
    "spectral merge, CMS ROOT to LZ4": ("cms-lz4", {"format": "root", "compression_algo": "lz4"}),
    "spectral merge, CMS ROOT to ZSTD": ("cms-zlib", {"format": "root", "compression_algo": "zstd"}),
    "spectral merge, CMS ROOT to native": ("cms-zlib", {}),
    "quota, native": ("arrow", {"method": "quota"}),
    "weight, native": ("arrow", {"method": "weight"}),
}
"""Ways to mix: store of the inputs, and settings."""


def peak_mb() -> float:
    """Largest memory of this process so far (``ru_maxrss`` would include that of the parent)."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1e3


def _child(queue: multiprocessing.Queue, task: Callable[..., int], arguments: tuple, changes: dict) -> None:
    for kind in ("arrow", "cms-lz4"):  # imports are not what is measured
        with open_tuples(inputs(arguments[0], kind)[0].path) as reader:
            reader.read(["evt"], 0, 1)
    cpu, wall = time.process_time(), time.perf_counter()
    count = task(*arguments, **changes)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    queue.put((count, cpu, wall, peak_mb()))


def alone(task: Callable[..., int], arguments: tuple, **changes: object) -> tuple[int, float, float, float]:
    """Run a step in a fresh process.

    Returns:
        Candidates, CPU seconds, wall seconds, largest memory in MB.
    """
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    process = context.Process(target=_child, args=(queue, task, arguments, changes))
    process.start()
    while process.is_alive() and queue.empty():
        time.sleep(0.05)
    if queue.empty():
        raise RuntimeError(f"{task.__name__}{arguments} ended with code {process.exitcode}")
    result = queue.get()
    process.join()
    return result


def run() -> list[dict]:
    """Measure all steps.

    Returns:
        Rows with ``name``, ``value`` and ``unit``.
    """
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for kind in ("arrow", "root", "cms-lz4", "cms-zlib", "cms-zstd"):
            inputs(folder, kind)
        jobs = {n: (task, (folder, *arguments), {}) for n, (task, arguments) in STEPS.items()}
        jobs |= {n: (spectral, (folder, kind), changes) for n, (kind, changes) in MIXES.items()}
        for label, (task, arguments, changes) in jobs.items():
            count, cpu, _, memory = alone(task, arguments, **changes)
            if not label.startswith("("):
                rows.append({"name": label, "value": count / cpu, "unit": "taus per CPU second"})
                rows.append({"name": f"{label}: memory", "value": memory, "unit": "MB"})
    return rows


def mix_links(folder: Path, links: int) -> int:
    """Mix ``links`` hard links of one file."""
    files = [InputFile(path, ENTRIES, "mock") for path in sorted(folder.glob("link_*.arrow"))[:links]]
    config = replace(CONFIG, memory_mb=1000.0)
    plan = make_plan((CountedFile(f, count_spectra(f.path, config.spectra)) for f in files), config)
    part = choose_part(Sample(files, config), plan, job=0, rng=np.random.default_rng(0))
    write_part(folder / "part.arrow", part, config, folder)
    return part.yields.read


def scale() -> list[dict]:
    """Mix 10^5 to 10^7 entries.

    Returns:
        Rows as :func:`run`.
    """
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (file, *_) = inputs(folder, "arrow")
        for number in range(700):
            os.link(file.path, folder / f"link_{number:04}.arrow")
        for links in (7, 70, 700):
            count, cpu, wall, memory = alone(mix_links, (folder, links))
            rows.append({"name": f"mix {count:,} entries", "value": count / cpu, "unit": "taus per CPU second"})
            rows.append({"name": f"mix {count:,} entries: wall", "value": wall, "unit": "s"})
            rows.append({"name": f"mix {count:,} entries: memory", "value": memory, "unit": "MB"})
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", action="store_true", help="mix up to 10^7 entries instead")
    for row in scale() if parser.parse_args().scale else run():
        print(f"{row['name']:44} {row['value']:12.4g} {row['unit']}")
