"""Computations of the tau-identification pipeline: pure functions and dataclasses.

Nothing in this package knows about law, luigi or the environment; the tasks in
``tasks/`` decide when and where these functions run.  Packages import only those to
their left in the order of the data flow::

    config, store -> tuples -> production -> sampling -> features -> training -> evaluation -> report
"""

from __future__ import annotations

__version__ = "0.1.0"
