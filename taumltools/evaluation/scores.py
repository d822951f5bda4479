"""Discriminator scores: VS_x of the network, or expressions over copied branches."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from taumltools.config.evaluation import NETWORK, DiscriminatorConfig, EvaluationConfig
from taumltools.errors import ConfigError
from taumltools.features.expression import parse
from taumltools.tuples.truth import TAU_TYPES

TAU = TAU_TYPES.index("tau")
"""Position of genuine taus in the class order."""

EVENT_COLUMNS = ("run", "lumi", "evt")
"""Branches that identify an event; the split for working points uses them."""

CUT_COLUMNS = ("tau_pt", "tau_eta", "tau_decayMode", "tau_dz")
"""Branches that cuts and regions use."""


def vs_score(outputs: np.ndarray, vs: str) -> np.ndarray:
    """VS_x = p_tau / (p_tau + p_x), and 0 where p_tau is 0.

    Args:
        outputs: network outputs in class order, float, shape (n, 4); NaN if not scored.
        vs: fake type x, one of ``e``, ``mu``, ``jet``.

    Returns:
        The score in [0, 1], same dtype, shape (n,); NaN if not scored.

    Examples:
        >>> vs_score(np.array([[0.125, 0.125, 0.5, 0.25], [0.5, 0.2, 0.0, 0.3]]), "e").tolist()
        [0.8, 0.0]
    """
    tau = outputs[:, TAU]
    total = tau + outputs[:, TAU_TYPES.index(vs)]
    return np.where(tau == 0, np.zeros_like(tau), np.divide(tau, total, out=np.full_like(tau, np.nan), where=total > 0))


def discriminator_score(
    discriminator: DiscriminatorConfig, vs: str, outputs: np.ndarray, columns: dict[str, np.ndarray]
) -> np.ndarray:
    """Score of a discriminator against one fake type.

    Args:
        discriminator: which one.
        vs: fake type.
        outputs: network outputs, shape (n, 4).
        columns: copied branches by name, shape (n,) each.

    Returns:
        float, shape (n,), larger = more tau-like; not finite where there is no score. Zeros if
        the discriminator has only working points.

    Raises:
        ConfigError: the score is not an expression.
    """
    if not discriminator.score:
        return np.zeros(len(outputs), np.float32)
    if discriminator.score == NETWORK:
        return vs_score(outputs, vs)
    values = parse(discriminator.score_of(vs), where=f"score of '{discriminator.title}'").evaluate(columns)
    return np.broadcast_to(values, len(outputs)).astype(np.float64)


def branches_of_discriminator(name: str, discriminator: DiscriminatorConfig) -> list[str]:
    """Branches that a discriminator reads: of its scores, then of its working points.

    Args:
        name: its name, for messages.
        discriminator: its settings.

    Returns:
        Branch names, each once.

    Raises:
        ConfigError: a score is not an expression.

    Examples:
        >>> isolation = DiscriminatorConfig(title="x", vs=("jet",), score="-tau_chargedIsoPtSum / tau_pt")
        >>> branches_of_discriminator("isolation", isolation)
        ['tau_chargedIsoPtSum', 'tau_pt']
    """
    names: list[str] = []
    for vs in discriminator.vs:
        if discriminator.score not in ("", NETWORK):
            names += sorted(parse(discriminator.score_of(vs), where=f"evaluation.discriminators.{name}").names)
        names += [branch for branch in [discriminator.bits_of(vs)] if branch]
    return list(dict.fromkeys(names))


def required_columns(config: EvaluationConfig, discriminators: Sequence[str] | None = None) -> list[str]:
    """Branches that prediction files need to carry for an evaluation.

    Args:
        config: settings of the evaluation.
        discriminators: names of those that are evaluated; None for all.

    Returns:
        Branch names, each once: event number, cuts, scores, efficiency variables and weight.

    Raises:
        ConfigError: a score is not an expression.

    Examples:
        >>> required_columns(EvaluationConfig(weight="genEventWeight"))
        ['run', 'lumi', 'evt', 'tau_pt', 'tau_eta', 'tau_decayMode', 'tau_dz', 'genEventWeight']
    """
    names = [*EVENT_COLUMNS, *CUT_COLUMNS]
    for name, discriminator in config.discriminators.items():
        if discriminators is None or name in discriminators:
            names += branches_of_discriminator(name, discriminator)
    names += [*config.efficiency, *([config.weight] if config.weight else [])]
    return list(dict.fromkeys(names))


def check_columns(
    config: EvaluationConfig, columns: Iterable[str], discriminators: Sequence[str] | None = None
) -> None:
    """Refuse settings that need branches which were not copied into the prediction files.

    Args:
        config: settings of the evaluation.
        columns: branches that are there.
        discriminators: names of those that are evaluated; None for all.

    Raises:
        ConfigError: some are missing; the message lists them, with the discriminators that need them.
    """
    known = list(columns)
    missing = [name for name in required_columns(config, discriminators) if name not in known]
    if not missing:
        return
    needing = [
        name
        for name, discriminator in config.discriminators.items()
        if (discriminators is None or name in discriminators)
        and set(branches_of_discriminator(name, discriminator)) & set(missing)
    ]
    by = f" (discriminators {', '.join(needing)})" if needing else ""
    raise ConfigError(
        f"the evaluation needs {', '.join(missing)}{by}, the prediction files only have {', '.join(known)}: "
        "add what is missing to evaluation.columns, then apply the network again; where the tuples lack a branch, "
        "leave out the discriminator"
    )
