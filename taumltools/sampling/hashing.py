"""Numbers for names: the hash that the CMS tools store as dataset_id and dataset_group_id."""

from __future__ import annotations

_SEED = 0xC70F6907
_MULTIPLIER = 0xC6A4A7935BD1E995
_MASK = 0xFFFFFFFFFFFFFFFF


def _mix(value: int) -> int:
    return value ^ (value >> 47)


def hash_name(name: str) -> int:
    """64-bit hash of a dataset or group name, as ``std::hash<std::string>`` of libstdc++.

    It is Murmur 64A with the seed 0xc70f6907, written out here because it must not depend
    on a compiler or a machine.

    Args:
        name: any text; its UTF-8 bytes count.

    Returns:
        0 <= hash < 2^64, the value of ``dataset_id`` or ``dataset_group_id``.

    Examples:
        >>> hash_name("DY")
        10918959937480734963
    """
    data = name.encode()
    value = _SEED ^ (len(data) * _MULTIPLIER & _MASK)
    whole = len(data) - len(data) % 8
    for start in range(0, whole, 8):
        block = int.from_bytes(data[start : start + 8], "little") * _MULTIPLIER & _MASK
        value = (value ^ (_mix(block) * _MULTIPLIER & _MASK)) * _MULTIPLIER & _MASK
    if rest := data[whole:]:
        value = (value ^ int.from_bytes(rest, "little")) * _MULTIPLIER & _MASK
    return _mix(_mix(value) * _MULTIPLIER & _MASK)
