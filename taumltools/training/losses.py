"""Losses of DeepTau, one value per row, as functions of the backend of Keras.

Symbols: y one-hot target, p softmax output, both of shape (n, 4) in the order e, mu, tau,
jet; x stands for one of e, mu, jet.  The constants of the focal losses are one over the
integral of their kernel over [0, 1] (18/11 and 1.17153).  Short names as in the original
code (``Le``, ``Hcat_jet``, ...) are those of :mod:`taumltools.training.metrics`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from taumltools.tuples.truth import TAU_TYPES

E, MU, TAU, JET = range(len(TAU_TYPES))

EPSILON = 1e-7
"""Probabilities are clipped to [EPSILON, 1 - EPSILON]."""

SCALE_FACTORS = (1.0, 2.5, 5.0, 1.5)
"""Importance of e, mu, tau, jet in DeepTau v2.5."""

WORKING_POINTS: dict[str, tuple[float, ...]] = {
    "e": (0.0630386, 0.1686942, 0.3628130, 0.681543, 0.8847544, 0.9675541, 0.9859251, 0.9928449),
    "mu": (0.1058354, 0.2158633, 0.5551894, 0.8754835),
    "jet": (0.2599605, 0.4249705, 0.5983682, 0.7848675, 0.8834768, 0.930868, 0.9573137, 0.9733927),
}
"""Thresholds on p_tau / (p_tau + p_x) with which a fit with working-point losses begins: those of DeepTau v2.1."""

Points = Mapping[str, Any]
"""Thresholds by other type (``e``, ``mu``, ``jet``), each of shape (k,)."""

Loss = Callable[..., Any]
"""(y, p) or (y, p, points) -> one value per row; tensors of the backend."""


def _clip(value: Any) -> Any:
    from keras import ops

    return ops.clip(value, EPSILON, 1.0 - EPSILON)


def normalised(factors: Sequence[float]) -> tuple[float, ...]:
    """Scale factors with mean one.

    Args:
        factors: importance of e, mu, tau, jet; their sum is not 0.

    Returns:
        The same number of factors, with mean one.

    Examples:
        >>> normalised((1.0, 2.5, 5.0, 1.5))
        (0.4, 1.0, 2.0, 0.6)
    """
    return tuple(factor * len(factors) / sum(factors) for factor in factors)


def tau_switch(p: Any) -> Any:
    """Rises from 0 to 1 around p_tau = 0.1: rows that no selection keeps need no separation.

    Args:
        p: softmax outputs, shape (n, 4).

    Returns:
        0 to 1, shape (n,).
    """
    from keras import ops

    # a sigmoid would be more exact near 0, but rounding would not be that of the original code
    return 0.5 * (ops.tanh(70.0 * (p[:, TAU] - 0.1)) + 1.0)


def discriminator(p: Any, x: int) -> Any:
    """p_tau / (p_tau + p_x), clipped: the score of taus against x that losses use.

    Args:
        p: softmax outputs, shape (n, 4).
        x: which other type, 0 to 3 in the order e, mu, tau, jet.

    Returns:
        Shape (n,), between EPSILON and 1 - EPSILON.
    """
    return _clip(p[:, TAU] / (p[:, TAU] + p[:, x] + EPSILON))


def pair_crossentropy(y: Any, p: Any, x: int) -> Any:
    """Binary cross entropy of p_tau / (p_tau + p_x) on rows that are tau or x (``Le``, ``Lmu``, ``Ljet``).

    Args:
        y: one-hot targets, shape (n, 4).
        p: softmax outputs, shape (n, 4).
        x: which other type, 0 to 3 in the order e, mu, tau, jet.

    Returns:
        Loss per row, shape (n,).
    """
    from keras import ops

    q = discriminator(p, x)
    return -y[:, TAU] * ops.log(q) - y[:, x] * ops.log(1.0 - q)


def class_crossentropy(y: Any, p: Any, x: int) -> Any:
    """Cross entropy of rows of one class (``He``, ``Hmu``, ``Htau``, ``Hjet``).

    Args:
        y: one-hot targets, shape (n, 4).
        p: softmax outputs, shape (n, 4).
        x: which type, 0 to 3 in the order e, mu, tau, jet.

    Returns:
        Loss per row, shape (n,).
    """
    from keras import ops

    return -y[:, x] * ops.log(_clip(p[:, x]))


def not_tau_crossentropy(y: Any, p: Any) -> Any:
    """Cross entropy of calling a tau what is none (``Hbin``).

    Args:
        y: one-hot targets, shape (n, 4).
        p: softmax outputs, shape (n, 4).

    Returns:
        Loss per row, shape (n,).
    """
    from keras import ops

    return -(1.0 - y[:, TAU]) * ops.log(1.0 - _clip(p[:, TAU]))


def switched_crossentropy(y: Any, p: Any, x: int, *, inverse: bool = False) -> Any:
    """Cross entropy of rows of one class where p_tau is not small (``Hcat_x``), or where it is (``Hcat_xInv``).

    Args:
        y: one-hot targets, shape (n, 4).
        p: softmax outputs, shape (n, 4).
        x: which other type, 0 to 3 in the order e, mu, tau, jet.
        inverse: count rows that look like no tau, instead of those that do.

    Returns:
        Loss per row, shape (n,).
    """
    switch = tau_switch(p)
    return (1.0 - switch if inverse else switch) * class_crossentropy(y, p, x)


def focal(y: Any, p: Any, x: int) -> Any:
    """Focal loss (gamma 2) of one class, where p_tau is not small (``Fe``, ``Fmu``, ``Fjet``).

    Args:
        y: one-hot targets, shape (n, 4).
        p: softmax outputs, shape (n, 4).
        x: which other type, 0 to 3 in the order e, mu, tau, jet.

    Returns:
        Loss per row, shape (n,).
    """
    from keras import ops

    px = _clip(p[:, x])
    return -1.63636 * tau_switch(p) * y[:, x] * (1.0 - px) ** 2 * ops.log(px)


def focal_not_tau(y: Any, p: Any) -> Any:
    """Focal loss (gamma 0.5) of calling a tau what is none (``Fcmb``).

    Args:
        y: one-hot targets, shape (n, 4).
        p: softmax outputs, shape (n, 4).

    Returns:
        Loss per row, shape (n,).
    """
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
    """Cross entropy over the four classes, shape (n,).

    Args:
        y: one-hot targets, shape (n, 4).
        p: softmax outputs, shape (n, 4).

    Returns:
        Loss per row, shape (n,).
    """
    return sum(class_crossentropy(y, p, x) for x in range(len(TAU_TYPES)))


def working_point_loss(y: Any, p: Any, x: int, thresholds: Any) -> Any:
    """Loss of taus against x that grows where working points cut (``We``, ``Wmu``, ``Wjet``).

    With d = p_tau / (p_tau + p_x) and means over the thresholds t,
    ``-B y_x d^2 ln(1 - d) - A y_tau (1 - d)^2 ln d``, ``A = 1 + mean (1 - tanh(40 (d - t))) / 2``
    (thresholds that reject the row) and ``B = 1 + mean (1 + tanh(40 (d - t))) / 2`` (those it passes).

    Args:
        y: one-hot targets, shape (n, 4).
        p: softmax outputs, shape (n, 4).
        x: which other type.
        thresholds: on d, shape (k,).

    Returns:
        Loss per row, shape (n,).
    """
    from keras import ops

    d = discriminator(p, x)
    # (1 + tanh(40 x)) / 2 is the sigmoid of 80 x
    passed = ops.mean(ops.sigmoid(80.0 * (d[:, None] - ops.cast(thresholds, d.dtype)[None, :])), axis=1)
    other = (1.0 + passed) * y[:, x] * d**2 * ops.log(1.0 - d)
    tau = (2.0 - passed) * y[:, TAU] * (1.0 - d) ** 2 * ops.log(d)
    return -other - tau


def wp_loss(y: Any, p: Any, factors: Sequence[float] = SCALE_FACTORS, points: Points = WORKING_POINTS) -> Any:
    """Sum of the three working-point losses, each with its scale factor (``WPloss``), shape (n,).

    Args:
        y: one-hot targets, shape (n, 4).
        p: softmax outputs, shape (n, 4).
        factors: importance of e, mu, tau, jet.
        points: thresholds by other type.

    Returns:
        Loss per row, shape (n,).
    """
    s = normalised(factors)
    return sum(s[x] * working_point_loss(y, p, x, points[TAU_TYPES[x]]) for x in (E, MU, JET))


def wp_loss_2(y: Any, p: Any, factors: Sequence[float] = SCALE_FACTORS, points: Points = WORKING_POINTS) -> Any:
    """``WPloss`` plus a ninth of ``tau_crossentropy_v2`` (``WPloss2``), shape (n,).

    Args:
        y: one-hot targets, shape (n, 4).
        p: softmax outputs, shape (n, 4).
        factors: importance of e, mu, tau, jet.
        points: thresholds by other type.

    Returns:
        Loss per row, shape (n,).
    """
    return wp_loss(y, p, factors, points) + tau_crossentropy_v2(y, p, factors) / 9.0


LOSSES: dict[str, Callable[..., Any]] = {
    "tau_crossentropy_v2": tau_crossentropy_v2,
    "tau_crossentropy": tau_crossentropy,
    "categorical_crossentropy": categorical_crossentropy,
    "WPloss": wp_loss,
    "WPloss2": wp_loss_2,
}
"""Losses a training can name."""


def uses_working_points(name: str) -> bool:
    """Whether thresholds belong to the loss, which then change after each epoch.

    Args:
        name: a key of :data:`LOSSES`.

    Returns:
        True for ``WPloss`` and ``WPloss2``.
    """
    return LOSSES[name] in (wp_loss, wp_loss_2)


def make_loss(name: str, factors: Sequence[float] = SCALE_FACTORS) -> Loss:
    """A loss by name, with its scale factors bound.

    Args:
        name: a key of :data:`LOSSES`.
        factors: importance of e, mu, tau, jet; the plain cross entropy has none.

    Returns:
        A function (y, p, points) of which losses without working points ignore the last.
    """
    function = LOSSES[name]

    def loss(y: Any, p: Any, points: Points = WORKING_POINTS) -> Any:
        if function is categorical_crossentropy:
            return function(y, p)
        return function(y, p, factors, points) if uses_working_points(name) else function(y, p, factors)

    loss.__name__ = name
    return loss
