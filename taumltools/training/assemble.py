"""What a fit is made of, as the settings say: loader, model, optimizers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from taumltools.config.features import FeaturesConfig
from taumltools.config.training import TrainingConfig
from taumltools.training.control import control_files
from taumltools.training.fit_loop import Fit
from taumltools.training.layout import Form
from taumltools.training.loader import Loader
from taumltools.training.loader_adversarial import AdversarialLoader
from taumltools.training.losses import WORKING_POINTS, make_loss
from taumltools.training.optimizer import make_optimizer, second_optimizer
from taumltools.training.points import first_points


def make_loader(
    flat_paths: Sequence[Path],
    features: FeaturesConfig,
    training: TrainingConfig,
    form: Form,
    control: Mapping[str, Sequence[Path]] | None = None,
) -> Loader:
    """The loader of a fit: with the rows of a control region if the settings have one.

    Args:
        flat_paths: flat tuples of the training sample.
        features: what the network sees.
        training: how it is fitted.
        form: how the network takes objects.
        control: flat tuples of the control region by name of the sample; None: the files that the settings name.

    Returns:
        The loader.

    Raises:
        ConfigError: see :class:`taumltools.training.loader.Loader`.
        InputError: the same, or there are no such files.
    """
    if training.adversarial is None:
        return Loader(flat_paths, features, training, form)
    region = control_files(training.adversarial) if control is None else control
    return AdversarialLoader(flat_paths, region, features, training, form)


def make_fit(network: Any, loader: Loader, config: TrainingConfig, seed: int, **options: Any) -> Fit:
    """Everything ready for the first step.

    Args:
        network: the network, with a second head for domain adaptation.
        loader: the samples.
        config: how it is fitted.
        seed: decides the order of entries.
        options: of :class:`taumltools.training.fit_loop.Fit`.

    Returns:
        The fit, at its beginning.

    Raises:
        ConfigError: the network does not fit to the settings.
    """
    from taumltools.training.adversarial import AdversarialModel
    from taumltools.training.fit_model import FitModel, prepare

    wanted = {name: getattr(config.working_points, name) for name in WORKING_POINTS}
    given = network, make_loss(config.loss, config.scale_factors), first_points(WORKING_POINTS, wanted)
    if config.adversarial is None:
        model = FitModel(*given)
        prepare(model, make_optimizer(config), jit_compile=config.jit_compile)
    else:
        model = AdversarialModel(*given, factors=(config.adversarial.k1, config.adversarial.k2))
        model.prepare(make_optimizer(config), second_optimizer(config), jit_compile=config.jit_compile)
    return Fit(model, loader, config, seed, **options)
