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


def mt19937_64(seed):
    """The engine of the C++ standard library, number by number, as its authors wrote it."""
    mask, state = 2**64 - 1, [seed]
    for i in range(1, 312):
        state.append((6364136223846793005 * (state[-1] ^ (state[-1] >> 62)) + i) & mask)
    while True:
        for i in range(312):
            x = (state[i] & 0xFFFFFFFF80000000) | (state[(i + 1) % 312] & 0x7FFFFFFF)
            state[i] = state[(i + 156) % 312] ^ (x >> 1) ^ (0xB5026F5AA96619E9 if x & 1 else 0)
        for y in state:
            y ^= (y >> 29) & 0x5555555555555555
            y ^= (y << 17) & 0x71D67FFFEDA60000
            y ^= (y << 37) & 0xFFF7EEE000000000
            yield y ^ (y >> 43)
