"""The dataclass flavour all settings share: frozen, strict about names and types."""

from __future__ import annotations

from typing import Annotated, dataclass_transform

from pydantic import AfterValidator, ConfigDict
from pydantic.dataclasses import dataclass as pydantic_dataclass


@dataclass_transform(frozen_default=True)
def settings(cls: type) -> type:
    """Make ``cls`` a frozen dataclass that refuses unknown keys and wrong types.

    pydantic does the checking, so an error names the key, what was found and what was
    expected.  Lists become tuples and mappings stay dicts.

    Args:
        cls: a class with annotated fields.

    Returns:
        The dataclass.
    """
    return pydantic_dataclass(frozen=True, config=ConfigDict(extra="forbid", strict=False))(cls)


def _known_formats(value: tuple[str, ...]) -> tuple[str, ...]:
    if odd := sorted(set(value) - {"pdf", "png", "svg"}):
        raise ValueError(f"unknown formats {odd}; plots are written as pdf, png or svg")
    return value


PlotFormats = Annotated[tuple[str, ...], AfterValidator(_known_formats)]
"""File formats of plots."""
