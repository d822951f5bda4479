"""Training: loader, networks, losses, the fit, tracking, and the trained network."""

from contextlib import suppress

with suppress(ImportError):  # TensorFlow first and then the client of xrootd (6.2) ends in a segmentation fault
    import XRootD.client  # noqa: F401
