"""Branches that run programs of the CMS software."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any


def cms_shell(site: Any) -> Any:
    """The shell of a site in which the CMS software is found.

    Args:
        site: settings of the site.

    Returns:
        A :class:`taumltools.production.cmssw.tool.CmsShell`.

    Raises:
        ConfigError: law does not know the sandbox, or it cannot be set up.
    """
    from taumltools.production.cmssw.tool import CmsShell

    sandbox = site.cmssw.sandbox
    return CmsShell(site.cmssw, sandbox_environment(sandbox) if sandbox else {})


def sandbox_environment(key: str) -> dict[str, str]:
    """Variables of the environment inside of a sandbox of law.

    Args:
        key: e.g. ``cmssw::CMSSW_13_0_13`` or ``bash::/path/setup.sh``.

    Returns:
        The variables.

    Raises:
        ConfigError: there is no such kind of sandbox, or it cannot be set up.
    """
    import law
    import law.sandbox.bash

    from taumltools.errors import ConfigError

    if key.startswith("cmssw::"):
        law.contrib.load("cms")
    try:
        return dict(law.sandbox.base.Sandbox.new(os.path.expandvars(key)).env)
    except Exception as error:  # law raises plain exceptions
        raise ConfigError(f"cmssw.sandbox '{key}' of the site cannot be set up: {error}") from error


def list_miniaod(task: Any, sources: tuple[str, ...]) -> Any:
    """Files of a dataset of source ``cmssw``, see :func:`taumltools.production.cmssw.inputs.list_miniaod`."""
    from taumltools.production.cmssw import inputs

    return inputs.list_miniaod(sources, cms_shell(task.site_config))


def run_producer(task: Any, path: Path) -> dict[str, Any]:
    """Run ``cmsRun`` for the files of a branch.

    Args:
        task: a branch of ``ProduceTuples``.
        path: where its product goes; a ROOT file stays as the producer wrote it, for another format it is read and
            written anew.

    Returns:
        What the side-car says.

    Raises:
        ConfigError: the CMS software is not found.
        ServerError: storage failed.
        InputError: what was written is not complete.
        CmsRunError: ``cmsRun`` failed otherwise; its log is kept below ``_logs`` of the store.
    """
    from taumltools.production.cmssw.arguments import OUTPUT, cms_arguments, input_name
    from taumltools.production.cmssw.produced import account_of
    from taumltools.production.cmssw.run import produce

    site, dataset, events = task.site_config.cmssw, task.source, task.part.chunk_events(task.branch)
    check_config(dataset.config)
    files = task.paths_of_files()
    arguments = cms_arguments(dataset, files, events, site.redirector)
    names = [input_name(file, site.redirector) for file in files]
    shell, kept = cms_shell(task.site_config), _log_of(task.path)
    with TemporaryDirectory(prefix="cmsrun-", dir=site.scratch or None) as folder:
        produced, report = produce(shell, dataset.config, arguments, names, Path(folder), kept, events)
        _deliver(Path(folder, OUTPUT), path)
    return account_of(produced, report) | {"arguments": list(arguments)}


def check_config(config: str) -> None:
    """Refuse a configuration that does not exist; one with variables is for the CMS environment to find.

    Raises:
        ConfigError: it is relative, or there is no such file.
    """
    from taumltools.errors import ConfigError

    if "$" in config:
        return
    if not Path(config).is_absolute():
        raise ConfigError(
            f"config '{config}' is relative, and cmsRun works in a folder of its own: give an absolute path, or one that "
            "begins with $CMSSW_BASE"
        )
    if not Path(config).is_file():
        raise ConfigError(f"config '{config}': no such file; which configuration is cmsRun to run?")


def _log_of(product: Path) -> Path:
    """Where the output of a run that failed is kept; the next one replaces it."""
    from tasks.store import store_root

    return store_root() / "_logs" / product.relative_to(store_root()).with_suffix(".cmsRun.log")


def _deliver(made: Path, path: Path) -> None:
    """Move a ROOT file as it is, or write its entries in another format."""
    if path.suffix == made.suffix:
        shutil.move(made, path)
        return
    from taumltools.tuples.io import open_tuples, write_tuples

    with open_tuples(made) as file:
        branches = [*file.branches, *file.other_branches]
        write_tuples(path, file.iterate(branches, file.block), branches)
