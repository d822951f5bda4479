"""From YAML files to dataclasses: hydra composes, pydantic checks."""

from __future__ import annotations

import dataclasses
import functools
import re
import shlex
import typing
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from taumltools.config.campaign import CampaignConfig
from taumltools.errors import ConfigError, nearest_names

CONFIG_DIR = Path(__file__).resolve().parents[2] / "configs"
"""The folder of all YAML groups, beside the package in the checkout."""


SETTING = re.compile(r"\w+(\.[\w-]+)+=")
"""An override of one setting; without a dot it may be the choice of a group."""


def available_campaigns(config_dir: Path = CONFIG_DIR) -> list[str]:
    """Names of the campaigns under ``config_dir``, sorted."""
    return sorted(p.stem for p in (config_dir / "campaign").glob("*.yaml"))


def _resolve(campaign: str, overrides: tuple[str, ...], config_dir: Path) -> dict[str, Any]:
    from hydra import compose, initialize_config_dir
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    try:
        with initialize_config_dir(config_dir=str(config_dir), version_base="1.3"):
            # hydra's "++": a setting may be overridden whether the YAML names it or it has its default; pydantic knows
            # which settings there are
            anywhere = [f"++{override}" if SETTING.match(override) else override for override in overrides]
            config = compose(config_name=f"campaign/{campaign}", overrides=anywhere)
            return OmegaConf.to_container(config, resolve=True, throw_on_missing=True)  # type: ignore[return-value]
    except (HydraException, OmegaConfBaseException) as error:
        where = f"with overrides {' '.join(overrides)!r} " if overrides else ""
        raise ConfigError(
            f"campaign '{campaign}' {where}cannot be composed: {error}\n"
            f"Settings and their groups are in {config_dir}; an override looks like 'training.epochs=5', "
            "another option of a group like 'model=NAME'."
        ) from error


def explain(error: ValidationError, root: str = "campaign") -> str:
    """What is wrong with which setting, one line each.

    Args:
        error: what pydantic found.
        root: name of what was read, for errors of the whole.

    Returns:
        Indented lines.
    """
    lines = []
    for item in error.errors():
        key = ".".join(str(part) for part in item["loc"]) or root
        found = f" (found {item['input']!r:.80})" if item["type"] not in {"missing", "value_error"} else ""
        unknown = item["type"] == "unexpected_keyword_argument"
        message = f"unknown setting{_similar(item['loc'])}" if unknown else item["msg"]
        lines.append(f"  {key}: {message}{found}")
    return "\n".join(lines)


def _similar(place: tuple[int | str, ...]) -> str:
    """Names like that of an unknown setting, among those that its group has."""
    group: Any = CampaignConfig
    for part in place[:-1]:
        if dataclasses.is_dataclass(group):
            group = typing.get_type_hints(group).get(str(part))
        else:
            group = typing.get_args(group)[-1:]
            group = group[0] if group else None
    names = [field.name for field in dataclasses.fields(group)] if dataclasses.is_dataclass(group) else []
    return nearest_names(str(place[-1]), names)


@functools.lru_cache(maxsize=32)
def load_campaign(campaign: str, overrides: str = "", config_dir: Path = CONFIG_DIR) -> CampaignConfig:
    """Compose and check the settings of a campaign.

    Args:
        campaign: name of a file in ``configs/campaign``.
        overrides: hydra override grammar, separated by blanks (quotes as in a shell).
        config_dir: the folder of YAML groups.

    Returns:
        The checked settings.

    Raises:
        ConfigError: unknown campaign, unknown or wrong setting; the message names the key.

    Examples:
        >>> load_campaign("demo", "training.epochs=3").training.epochs
        3
    """
    if campaign not in available_campaigns(config_dir):
        known = ", ".join(available_campaigns(config_dir))
        raise ConfigError(f"unknown campaign '{campaign}': {config_dir}/campaign has {known}")
    resolved = _resolve(campaign, tuple(shlex.split(overrides)), config_dir)
    try:
        return TypeAdapter(CampaignConfig).validate_python(resolved)
    except ValidationError as error:
        raise ConfigError(f"campaign '{campaign}' has wrong settings:\n{explain(error)}") from error
