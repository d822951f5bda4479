"""Losses of DeepTau, one value per row, as functions of the backend of Keras.

Symbols: y one-hot target, p softmax output, both of shape (n, 4) in the order e, mu, tau,
jet; x stands for one of e, mu, jet.  The constants of the focal losses are one over the
integral of their kernel over [0, 1] (18/11 and 1.17153).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from taumltools.tuples.truth import TAU_TYPES

E, MU, TAU, JET = range(len(TAU_TYPES))

EPSILON = 1e-7
"""Probabilities are clipped to [EPSILON, 1 - EPSILON]."""

SCALE_FACTORS = (1.0, 2.5, 5.0, 1.5)
"""Importance of e, mu, tau, jet in DeepTau v2.5."""

Loss = Callable[[Any, Any], Any]
"""(y, p) -> one value per row; tensors of the backend."""


def _clip(value: Any) -> Any:
    from keras import ops

    return ops.clip(value, EPSILON, 1.0 - EPSILON)


def normalised(factors: Sequence[float]) -> tuple[float, ...]:
    """Scale factors with mean one.

    Examples:
        >>> normalised((1.0, 2.5, 5.0, 1.5))
        (0.4, 1.0, 2.0, 0.6)
    """
    return tuple(factor * len(factors) / sum(factors) for factor in factors)


def tau_switch(p: Any) -> Any:
    """Rises from 0 to 1 around p_tau = 0.1: rows that no selection keeps need no separation."""
    from keras import ops

    return 0.5 * (ops.tanh(70.0 * (p[:, TAU] - 0.1)) + 1.0)


def pair_crossentropy(y: Any, p: Any, x: int) -> Any:
    """Binary cross entropy of p_tau / (p_tau + p_x) on rows that are tau or x (``Le``, ``Lmu``, ``Ljet``)."""
    from keras import ops

    q = _clip(p[:, TAU] / (p[:, TAU] + p[:, x] + EPSILON))
    return -y[:, TAU] * ops.log(q) - y[:, x] * ops.log(1.0 - q)


def class_crossentropy(y: Any, p: Any, x: int) -> Any:
    """Cross entropy of rows of one class (``He``, ``Hmu``, ``Htau``, ``Hjet``)."""
    from keras import ops

    return -y[:, x] * ops.log(_clip(p[:, x]))


def focal(y: Any, p: Any, x: int) -> Any:
    """Focal loss (gamma 2) of one class, where p_tau is not small (``Fe``, ``Fmu``, ``Fjet``)."""
    from keras import ops

    px = _clip(p[:, x])
    return -1.63636 * tau_switch(p) * y[:, x] * (1.0 - px) ** 2 * ops.log(px)


def focal_not_tau(y: Any, p: Any) -> Any:
    """Focal loss (gamma 0.5) of calling a tau what is none (``Fcmb``)."""
    from keras import ops

    p_tau = _clip(p[:, TAU])
    return -1.17153 * (1.0 - y[:, TAU]) * ops.sqrt(p_tau) * ops.log(1.0 - p_tau)


def tau_crossentropy(y: Any, p: Any, factors: Sequence[float] = SCALE_FACTORS) -> Any:
    """Sum of the three pair cross entropies, each with its scale factor (DeepTau v1).

    Args:
        y: one-hot targets, shape (n, 4).
        p: softmax outputs, shape (n, 4).
        factors: importance of e, mu, tau, jet.

    Returns:
        Loss per row, shape (n,).
    """
    s = normalised(factors)
    return sum(s[x] * pair_crossentropy(y, p, x) for x in (E, MU, JET))


def tau_crossentropy_v2(y: Any, p: Any, factors: Sequence[float] = SCALE_FACTORS) -> Any:
    """The loss of DeepTau v2: find taus, reject everything else, separate it where it looks like a tau.

    Args:
        y: one-hot targets, shape (n, 4).
        p: softmax outputs, shape (n, 4).
        factors: importance of e, mu, tau, jet.

    Returns:
        ``s_tau Htau + (s_e + s_mu + s_jet) Fcmb + 5 (s_e Fe + s_mu Fmu + s_jet Fjet)``, shape (n,).
    """
    s = normalised(factors)
    others = (E, MU, JET)
    separate = sum(s[x] * focal(y, p, x) for x in others)
    reject = sum(s[x] for x in others) * focal_not_tau(y, p)
    return s[TAU] * class_crossentropy(y, p, TAU) + reject + 5.0 * separate


def categorical_crossentropy(y: Any, p: Any) -> Any:
    """Cross entropy over the four classes, shape (n,)."""
    return sum(class_crossentropy(y, p, x) for x in range(len(TAU_TYPES)))


LOSSES: dict[str, Callable[..., Any]] = {
    "tau_crossentropy_v2": tau_crossentropy_v2,
    "tau_crossentropy": tau_crossentropy,
    "categorical_crossentropy": categorical_crossentropy,
}
"""Losses a training can name."""


def make_loss(name: str, factors: Sequence[float] = SCALE_FACTORS) -> Loss:
    """A loss by name, with its scale factors bound.

    Args:
        name: a key of :data:`LOSSES`.
        factors: importance of e, mu, tau, jet; the plain cross entropy has none.

    Returns:
        The loss, ready for ``keras.Model.compile``.
    """
    function = LOSSES[name]
    if function is categorical_crossentropy:
        return categorical_crossentropy

    def loss(y: Any, p: Any) -> Any:
        return function(y, p, factors)

    loss.__name__ = name
    return loss
