"""Working points as selections: a threshold on a score, or a bit of a branch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from taumltools.config.evaluation import NETWORK, POINT_NAMES, DiscriminatorConfig, EvaluationConfig
from taumltools.errors import ConfigError, InputError
from taumltools.evaluation.frame import Frame
from taumltools.evaluation.scores import discriminator_score
from taumltools.evaluation.working_points import Thresholds


@dataclass(frozen=True)
class Point:
    """A working point.

    Attributes:
        name: e.g. ``"Loose"``.
        threshold: candidates with a larger score pass; None if a bit tells.
        bit: number of the bit that is set for those that pass; None if the score tells.
        target: efficiency for genuine taus that the threshold was chosen for; None if it was given.
    """

    name: str
    threshold: float | None = None
    bit: int | None = None
    target: float | None = None


@dataclass(frozen=True)
class Selector:
    """One discriminator against one fake type, for all entries of a frame.

    Attributes:
        vs: the fake type.
        score: float, shape (n,); not finite where there is none.
        bits: integers with a working point a bit, shape (n,); None if thresholds tell.
        points: working points, loosest first.
    """

    vs: str
    score: np.ndarray
    bits: np.ndarray | None
    points: tuple[Point, ...]

    @property
    def known(self) -> np.ndarray:
        """True for candidates with a score, bool, shape (n,)."""
        return np.isfinite(self.score)

    def passes(self, point: Point, rows: np.ndarray | slice = slice(None)) -> np.ndarray:
        """True for candidates that pass a working point.

        Args:
            point: which one.
            rows: only these rows of the frame.

        Returns:
            bool, one for each row; False without a score.
        """
        if point.bit is None:
            return self.score[rows] > point.threshold
        if self.bits is None:
            raise InputError(f"working point {point.name} vs {self.vs} is a bit, but there is no branch with bits")
        return (self.bits[rows] >> point.bit) & 1 == 1

    def point(self, name: str) -> Point | None:
        """The working point of a name, None if there is none."""
        return next((point for point in self.points if point.name == name), None)


def points_of(
    setup: DiscriminatorConfig, vs: str, config: EvaluationConfig, thresholds: Thresholds
) -> tuple[Point, ...]:
    """Working points of a discriminator against one fake type, loosest first.

    Args:
        setup: the discriminator.
        vs: fake type.
        config: settings of the evaluation, for target efficiencies.
        thresholds: what was derived; only read if the discriminator has no points of its own.

    Returns:
        The points; empty if there are none.

    Examples:
        >>> setup = DiscriminatorConfig(title="x", score="", bits="b{vs}", bit_points={"mu": ("VLoose", "Loose")})
        >>> [(point.name, point.bit) for point in points_of(setup, "mu", EvaluationConfig(), {})]
        [('VLoose', 2), ('Loose', 3)]
    """
    if setup.bits:
        return tuple(Point(name, bit=POINT_NAMES.index(name)) for name in setup.bit_points.get(vs, ()))
    if setup.thresholds:
        return tuple(Point(name, threshold=value) for name, value in setup.thresholds.get(vs, {}).items())
    targets = config.working_points.targets.get(vs, {})
    return tuple(Point(name, threshold=value, target=targets[name]) for name, value in thresholds.get(vs, {}).items())


def scores_of(frame: Frame, setup: DiscriminatorConfig) -> dict[str, np.ndarray]:
    """Scores of all entries by fake type."""
    return {vs: discriminator_score(setup, vs, frame.outputs, frame.columns) for vs in setup.vs}


def make_selectors(
    frame: Frame,
    setup: DiscriminatorConfig,
    config: EvaluationConfig,
    scores: Mapping[str, np.ndarray],
    thresholds: Thresholds,
) -> dict[str, Selector]:
    """A discriminator against each of its fake types.

    Args:
        frame: the entries.
        setup: the discriminator.
        config: settings of the evaluation.
        scores: fake type to score, as :func:`scores_of`.
        thresholds: derived thresholds; empty if the discriminator has points of its own.

    Returns:
        Selectors by fake type.

    Raises:
        InputError: a branch with bits does not hold integers, or a branch holds nothing.
    """
    selectors = {}
    for vs in setup.vs:
        refuse_empty(frame, setup, vs, scores[vs])
        branch = setup.bits_of(vs)
        bits = frame.columns[branch] if branch else None
        if bits is not None and bits.dtype.kind not in "iu":
            raise InputError(
                f"{branch} of '{setup.title}' has {bits.dtype} values: working points are bits of integers"
            )
        selectors[vs] = Selector(vs, scores[vs], bits, points_of(setup, vs, config, thresholds))
    return selectors


def refuse_empty(frame: Frame, setup: DiscriminatorConfig, vs: str, score: np.ndarray) -> None:
    """Refuse a discriminator whose branches are there but were never filled, as in simulated tuples.

    Raises:
        InputError: no entry has a score, or no entry passes any working point.
    """
    branch = setup.bits_of(vs)
    empty = ""
    if not np.isfinite(score).any():
        empty = f"no entry has a score ({'network' if setup.score == NETWORK else setup.score_of(vs)})"
    elif setup.score_of(vs) and not score[np.isfinite(score)].any():
        empty = f"the score is 0 everywhere ({setup.score_of(vs)})"
    elif branch and not frame.columns[branch].any():
        empty = f"no entry passes any working point ({branch} is 0 everywhere)"
    if empty:
        raise InputError(
            f"'{setup.title}' vs {vs}: {empty} among {len(frame)} entries of {', '.join(frame.datasets)}: the tuples "
            "have no content for it; leave it out of evaluation.discriminators, or evaluate tuples of the CMS producer"
        )


def required_masks(selectors: Mapping[str, Selector], points: Mapping[str, str], title: str) -> dict[str, np.ndarray]:
    """Who passes the required working points of the other types, by fake type.

    Args:
        selectors: one discriminator against its fake types.
        points: fake type to the working point that is required of the others; types that the
            discriminator is not meant for are left out, and one against a single type has no others.
        title: of the discriminator, for messages.

    Returns:
        bool, shape (n,), by fake type.

    Raises:
        ConfigError: there is no such working point.
    """
    passed: dict[str, np.ndarray] = {}
    for vs, name in points.items():
        if vs not in selectors or len(selectors) == 1:
            continue
        point = selectors[vs].point(name)
        if point is None:
            known = ", ".join(p.name for p in selectors[vs].points) or "none"
            raise ConfigError(f"evaluation.required.points.{vs}: '{title}' has no working point '{name}', only {known}")
        passed[vs] = selectors[vs].passes(point)
    masks = {}
    for vs, selector in selectors.items():
        masks[vs] = np.ones(len(selector.score), bool)
        for other, mask in passed.items():
            if other != vs:
                masks[vs] &= mask
    return masks
