"""On which devices a fit runs, and with which precision.

These settings are of the process: they are made before the first tensor, and cannot be changed afterwards.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from taumltools.errors import ConfigError
from taumltools.training.layout import Form
from taumltools.training.shapes import CELL_STEP

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Devices:
    """What a fit may use; none of it changes the result beyond rounding.

    Attributes:
        gpu: number of the only GPU that is used, as the driver counts them; None: what the backend takes.
        gpu_memory_mb: memory that is taken of it; 0: all, as the backend does.
        threads: threads of one operation; 0: what the backend takes.
        data_parallel: share each batch among all devices, if there are several (backend JAX).
    """

    gpu: int | None = None
    gpu_memory_mb: int = 0
    threads: int = 0
    data_parallel: bool = True

    def apply(self) -> None:
        """Tell the backend.

        Raises:
            ConfigError: there is no such GPU, or the backend has begun its work.
        """
        import keras

        if self == Devices(data_parallel=self.data_parallel):
            return
        backend = keras.backend.backend()
        if backend != "tensorflow":
            raise ConfigError(
                f"gpu, gpu_memory_mb and threads are settings of the backend tensorflow, this is {backend}: set "
                "CUDA_VISIBLE_DEVICES, XLA_PYTHON_CLIENT_MEM_FRACTION and OMP_NUM_THREADS before the start instead"
            )
        import tensorflow as tf

        gpus = tf.config.list_physical_devices("GPU")
        if (self.gpu is not None and not 0 <= self.gpu < len(gpus)) or (self.gpu_memory_mb and not gpus):
            wanted = f"GPU {self.gpu}" if self.gpu is not None else f"{self.gpu_memory_mb} MB of a GPU"
            raise ConfigError(
                f"{wanted}: TensorFlow sees {len(gpus)} GPUs here; leave gpu and gpu_memory_mb out, or see nvidia-smi"
            )
        try:
            self._tensorflow(tf, gpus)
        except RuntimeError as error:
            raise ConfigError(
                f"devices cannot be chosen any more ({error}): they are set once, before anything else"
            ) from error

    def _tensorflow(self, tf: Any, gpus: list[Any]) -> None:
        chosen = gpus if self.gpu is None else [gpus[self.gpu]]
        if self.gpu is not None:
            tf.config.set_visible_devices(chosen, "GPU")
        if self.gpu_memory_mb:
            for gpu in chosen:
                limit = tf.config.LogicalDeviceConfiguration(memory_limit=self.gpu_memory_mb)
                tf.config.set_logical_device_configuration(gpu, [limit])
        if self.threads:
            tf.config.threading.set_intra_op_parallelism_threads(self.threads)

    def distribution(self, batch_size: int, form: Form = "sets") -> Any:
        """A ``keras.distribution.DataParallel`` over all devices; None if there is only one, or not wanted.

        Args:
            batch_size: rows of a batch, with those of a control region.
            form: of the inputs; filled cells come in multiples of :data:`taumltools.training.shapes.CELL_STEP` rows.

        Raises:
            ConfigError: the batch cannot be shared evenly.
        """
        import keras

        if not self.data_parallel or keras.backend.backend() != "jax":
            return None
        devices = keras.distribution.list_devices()
        if len(devices) < 2:
            return None
        if batch_size % len(devices):
            raise ConfigError(
                f"batches of {batch_size} rows cannot be shared among {len(devices)} devices: take a multiple "
                "(training.batch_size, and the rows of a control region)"
            )
        if form == "cells" and CELL_STEP % len(devices):
            raise ConfigError(
                f"filled cells come in multiples of {CELL_STEP} and cannot be shared among {len(devices)} devices: let "
                "CUDA_VISIBLE_DEVICES show 2, 4 or 8 of them"
            )
        log.info("each batch is shared among %d devices", len(devices))
        return keras.distribution.DataParallel(devices=devices)


@contextmanager
def computing(precision: str, *, deterministic: bool, distribution: Any = None) -> Iterator[None]:
    """Build and fit networks inside of this.

    Args:
        precision: a dtype policy of Keras: ``float32``, ``mixed_float16`` or ``mixed_bfloat16``.
        deterministic: only operations whose result does not depend on the order of threads; from then on, for
            the whole process.
        distribution: of :meth:`Devices.distribution`.
    """
    import keras

    before = keras.config.dtype_policy()
    if deterministic and keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()
    with ExitStack() as stack:
        if distribution is not None:
            stack.enter_context(distribution.scope())
        keras.config.set_dtype_policy(precision)
        try:
            yield
        finally:
            keras.config.set_dtype_policy(before)
