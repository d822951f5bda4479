"""What is kept of trainings, and how it comes into mlflow.

A training writes a log of its own (:mod:`~taumltools.training.tracking.log`): a few small files in its own folder, whatever
machine it runs on.  Nothing is shared while many trainings run.  Afterwards, and as often as one likes, the logs are imported
into a store of mlflow (:mod:`~taumltools.training.tracking.importing`): a database on a local disk, or a server.
"""

from __future__ import annotations

from taumltools.training.tracking.log import Run, RunDescription, start_run, tracked

__all__ = ["Run", "RunDescription", "start_run", "tracked"]
