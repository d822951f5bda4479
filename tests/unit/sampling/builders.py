"""What several tests of sampling build their inputs with."""

from __future__ import annotations

from pathlib import Path

from taumltools.sampling.acceptance import make_plan
from taumltools.sampling.counted import CountedFile
from taumltools.sampling.partition import InputFile
from taumltools.sampling.spectra import count_spectra


def counted_datasets(spectra):
    """One file for each dataset."""
    return [CountedFile(InputFile(Path(f"/{name}.root"), s.entries, name), s) for name, s in spectra.items()]


def counted_files(files, config):
    """Files that exist, with their spectra."""
    return [CountedFile(file, count_spectra(file.path, config.spectra)) for file in files]


def plan_datasets(spectra, config):
    """The plan of a file for each dataset."""
    return make_plan(counted_datasets(spectra), config)
