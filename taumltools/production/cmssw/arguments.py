"""What ``cmsRun`` is told: the options of a dataset as arguments of the CMS configuration."""

from __future__ import annotations

from collections.abc import Sequence

from taumltools.config.datasets import CMS_OPTIONS, DatasetConfig
from taumltools.errors import ConfigError

OUTPUT = "eventTuple.root"
"""Name of the file that the producer writes."""


def cms_arguments(
    dataset: DatasetConfig, files: Sequence[str], events: int | None, redirector: str = ""
) -> tuple[str, ...]:
    """Arguments of the configuration for one chunk of files.

    Args:
        dataset: of source ``cmssw``.
        files: paths, addresses, or logical file names (``/store/...``) of the chunk.
        events: largest number of events that are read; None for all.
        redirector: what is put in front of logical file names.

    Returns:
        Words ``name=value``, in an order that does not depend on anything else.

    Raises:
        ConfigError: a value that the CMS option parser would split.

    Examples:
        >>> mine = DatasetConfig(title="x", source="cmssw", files=("a",), config="Production.py", era="Run2_2018")
        >>> cms_arguments(mine, ["/data/a.root"], 100)[:3]
        ('sampleType=MC', 'era=Run2_2018', 'inputFiles=file:/data/a.root')
    """
    values: dict[str, str] = {}
    for name, field in CMS_OPTIONS.items():
        value, default = getattr(dataset, field), DatasetConfig.__dataclass_fields__[field].default
        if value != default or name == "sampleType":
            values[name] = _text(name, value)
    values |= {"inputFiles": _text("inputFiles", tuple(input_name(file, redirector) for file in files))}
    values |= {"maxEvents": str(-1 if events is None else events), "output": OUTPUT}
    return tuple(f"{name}={value}" for name, value in (values | dict(dataset.arguments)).items())


def _text(name: str, value: object) -> str:
    """As the option parser of CMS (VarParsing) reads it; it has no way to write a comma inside of an item."""
    if isinstance(value, tuple):
        if odd := [item for item in value if "," in item]:
            raise ConfigError(
                f"{name}: '{odd[0]}' has a comma, at which the CMS option parser splits; write it without"
            )
        return ",".join(value)
    return str(value)


def input_name(file: str, redirector: str = "") -> str:
    """A file as ``cmsRun`` wants it.

    Args:
        file: path, address, or logical file name.
        redirector: what is put in front of logical file names.

    Returns:
        Its name for the source of the configuration.

    Examples:
        >>> input_name("/data/a.root"), input_name("/store/mc/a.root"), input_name("root://host//a.root")
        ('file:/data/a.root', '/store/mc/a.root', 'root://host//a.root')
        >>> input_name("/store/mc/a.root", "root://xrootd.example/")
        'root://xrootd.example//store/mc/a.root'
    """
    if is_logical(file):
        return f"{redirector.rstrip('/')}/{file}" if redirector else file
    return file if "://" in file else f"file:{file}"


def is_logical(file: str) -> bool:
    """Whether a name is one of the CMS catalogue, which some site resolves."""
    return file.startswith("/store/")
