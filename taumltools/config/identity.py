"""Identity of outputs: which settings a task reads, as a short stable hash; and seeds."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from taumltools.errors import ConfigError


def plain(value: Any) -> Any:
    """Settings as plain dicts, lists and numbers, ready for JSON.

    Args:
        value: a settings dataclass, or a container of them.

    Returns:
        The same content in JSON types; keys of mappings become strings.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, tuple | list):
        return [plain(v) for v in value]
    return value


def select(config: Any, key: str) -> Any:
    """The part of the settings a dotted key names.

    Args:
        config: settings.
        key: e.g. ``"production"`` or ``"samples.train.ztautau"``.

    Returns:
        That part.

    Raises:
        ConfigError: no such key; the message lists what exists.

    Examples:
        >>> select({"a": {"b": 1}}, "a.b")
        1
    """
    part = config
    for name in key.split("."):
        members = part if isinstance(part, Mapping) else plain_members(part)
        if name not in members:
            raise ConfigError(f"no setting '{key}': '{name}' is not among {sorted(members)}")
        part = members[name]
    return part


def plain_members(part: Any) -> dict[str, Any]:
    """Fields of a settings dataclass by name (empty for anything else)."""
    if not dataclasses.is_dataclass(part):
        return {}
    return {f.name: getattr(part, f.name) for f in dataclasses.fields(part)}


def identity(parts: Mapping[str, Any], upstream: Iterable[str] = ()) -> str:
    """Eight hex digits that change if and only if a setting or an upstream identity changes.

    Args:
        parts: the settings a task reads, by key.
        upstream: identities of what the task requires (their order does not matter).

    Returns:
        The first 8 hex digits of a SHA-256.

    Examples:
        >>> identity({"a": 1}) == identity({"a": 1}), identity({"a": 1}) == identity({"a": 2})
        (True, False)
    """
    text = json.dumps([plain(dict(parts)), sorted(set(upstream))], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def seed_sequence(seed: int, *keys: str | int) -> np.random.SeedSequence:
    """An independent random stream for one task and branch.

    Args:
        seed: the campaign's seed.
        keys: what the stream is for, e.g. ``("ProduceTuples", "train", "ztautau", 3)``.

    Returns:
        A seed sequence; the same arguments give the same stream on every machine.

    Examples:
        >>> a, b = (np.random.default_rng(seed_sequence(1, "x", i)).random() for i in (0, 1))
        >>> a != b
        True
    """
    digest = hashlib.sha256(json.dumps([seed, *keys]).encode()).digest()
    return np.random.SeedSequence(int.from_bytes(digest[:16], "big"))
