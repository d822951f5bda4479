"""What one job asks for."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from taumltools.config.batch import ResourcesConfig
from taumltools.errors import ConfigError


@dataclass(frozen=True)
class Resources:
    """What one job asks for.

    Attributes:
        max_runtime: hours of wall time.
        max_memory: MB of memory (2^20 bytes, as HTCondor counts).
        cpus: processor cores.
        gpus: graphics processors.
        disk: MB of scratch space.
        requirements: ClassAd expression for the machine.
    """

    max_runtime: float
    max_memory: int
    cpus: int = 1
    gpus: int = 0
    disk: int = 2000
    requirements: str = ""

    def with_(self, **changes: Any) -> Resources:
        """The same with some fields replaced."""
        return replace(self, **changes)

    def plain(self) -> dict[str, Any]:
        """As a dict, for JSON."""
        return asdict(self)

    @property
    def submit_fields(self) -> dict[str, str]:
        """Values of the resource fields of :data:`taumltools.config.site.SUBMIT_FIELDS`.

        Examples:
            >>> Resources(max_runtime=0.5, max_memory=2000).submit_fields["runtime_s"]
            '1800'
        """
        return {
            "runtime_s": str(max(1, round(self.max_runtime * 3600))),
            "runtime_h": f"{self.max_runtime:g}",
            "memory_mb": str(self.max_memory),
            "cpus": str(self.cpus),
            "gpus": str(self.gpus),
            "disk_mb": str(self.disk),
            "disk_kb": str(self.disk * 1024),
        }

    def __str__(self) -> str:
        """In words, e.g. ``2000 MB, 1 core, 2 h``."""
        words = [f"{self.max_memory} MB", f"{self.cpus} core{'s' * (self.cpus > 1)}", f"{self.max_runtime:.3g} h"]
        words += [f"{self.gpus} GPU{'s' * (self.gpus > 1)}"] if self.gpus else []
        return ", ".join([*words, f"{self.disk} MB of disk"])


def resolve(*layers: ResourcesConfig | None) -> Resources:
    """Join what is asked for in several places; later layers win.

    Args:
        layers: e.g. the default, the stage's and the command line's; fields may be None.

    Returns:
        Complete resources.

    Raises:
        ConfigError: runtime or memory is nowhere given.

    Examples:
        >>> resolve(ResourcesConfig(max_runtime=2, max_memory=1000), ResourcesConfig(max_memory=3000)).max_memory
        3000
    """
    known = {f.name for f in fields(Resources)}
    merged: dict[str, Any] = {}
    for layer in layers:
        if layer is not None:
            merged |= {name: getattr(layer, name) for name in known if getattr(layer, name) is not None}
    for name in ("max_runtime", "max_memory"):
        if name not in merged:
            raise ConfigError(f"batch.default.{name} is not set: give it in configs/batch")
    return Resources(**merged)
