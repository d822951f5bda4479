"""The examples of the documentation, as they stand."""

from __future__ import annotations

import re
from typing import Any


def run_examples(page: str) -> dict[str, Any]:
    """Run all Python blocks of a page, one after the other; the names that they leave."""
    names: dict[str, Any] = {}
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert blocks
    for block in blocks:
        exec(block, names)
    return names
