"""Two optimizers in one: each has variables of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras


class TwoOptimizers(keras.optimizers.Optimizer):
    """Updates some variables by one rule and the others by another.

    The learning rate is that of the first; the second one keeps its own.

    Args:
        first: an optimizer.
        second: another one.
        chosen: for each variable, in the order in which they are given, whether the second one updates it.
    """

    def __init__(self, first: Any, second: Any, chosen: Sequence[bool]) -> None:
        super().__init__(learning_rate=0.0)
        self.first, self.second, self.chosen = first, second, list(chosen)

    def build(self, variables: Any) -> None:
        """Make the variables of both.

        Args:
            variables: as many as were announced, in that order.
        """
        if self.built:
            return
        if len(variables) != len(self.chosen):
            raise ValueError(f"{len(self.chosen)} variables were announced, found {len(variables)}")
        super().build(variables)
        for optimizer, part in zip((self.first, self.second), self._parts(variables), strict=True):
            optimizer.build(part)

    @property
    def variables(self) -> list[Any]:
        """Those of both and the own ones."""
        return [*super().variables, *self.first.variables, *self.second.variables]

    @property
    def learning_rate(self) -> Any:
        """That of the first optimizer."""
        return self.first.learning_rate

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        self.first.learning_rate = value

    @property
    def iterations(self) -> Any:
        """Steps that were done."""
        return self.first.iterations

    def apply(self, grads: Any, trainable_variables: Any = None) -> None:
        """Update all variables once.

        Args:
            grads: one per variable.
            trainable_variables: in the order that was announced; None: those of :meth:`build`.
        """
        variables = list(self._trainable_variables if trainable_variables is None else trainable_variables)
        if not self.built:
            self.build(variables)
        parts = zip(self._parts(list(grads)), self._parts(variables), strict=True)
        for optimizer, (gradients, own) in zip((self.first, self.second), parts, strict=True):
            optimizer.apply(gradients, own)

    def _parts(self, items: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        of_first = [item for item, chosen in zip(items, self.chosen, strict=True) if not chosen]
        return of_first, [item for item, chosen in zip(items, self.chosen, strict=True) if chosen]
