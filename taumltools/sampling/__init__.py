"""From files of single datasets to one mixed sample: spectra, acceptance, partition, gather."""

from __future__ import annotations
