"""TauTuple: its schema (one table), the in-memory container, reading and writing, truth, mock data."""

from __future__ import annotations
