"""Package metadata.  The pinned environment is requirements/lock.txt; this lists what is needed and why."""

from __future__ import annotations

from pathlib import Path

from setuptools import find_packages, setup

WORKFLOW = ["law", "luigi", "htcondor", "hydra-core", "pydantic", "PyYAML"]
DATA = [
    "numpy",
    "uproot",
    "awkward",
    "h5py",
    "hdf5plugin",
    "pyarrow",
    "scipy",
    "cramjam",
    "xxhash",
    "fsspec-xrootd",
    "xrootd",
]
SIMULATION = ["pythia8mc==8.317.2", "fastjet", "numba"]  # later pythia8mc has no wheel for Python 3.11
TRAINING = [
    "tensorflow", "keras", "mlflow", "tensorboard", "optuna",
    "setuptools<81",  # later ones lack pkg_resources, without which TensorBoard 2.20 does not start
]  # fmt: skip
EXPORT = ["onnx", "onnxruntime", "tf2onnx"]  # writing networks as ONNX and reading them back
CLASSIFICATION = ["lightgbm", "pandas", "tables"]  # of H->tautau events; tables: HDF5 files that pandas reads
REPORT = ["matplotlib", "mplhep", "bokeh", "jinja2", "tqdm"]
DEVELOPMENT = [
    "pytest", "pytest-timeout", "pytest-xdist", "hypothesis", "ruff", "mypy", "import-linter",
    "types-PyYAML", "types-tqdm", "scikit-learn",
    "jax",  # the second backend of Keras that networks are tested with
    "playwright",  # looks at the report in Chromium
]  # fmt: skip

setup(
    name="taumltools",
    version="0.1.0",
    description="Tau-lepton identification with machine learning at CMS: the whole pipeline as law tasks",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    python_requires=">=3.11,<3.12",
    packages=find_packages(include=["taumltools*", "tasks*"]),
    package_data={
        "taumltools.tuples": ["*.csv"],
        "taumltools.batch": ["*.sh"],
        "taumltools.features.trainingtuple": ["*.csv"],
        "taumltools.report": ["*.html", "*.css", "*.js"],
    },
    install_requires=WORKFLOW + DATA + SIMULATION + TRAINING + EXPORT + CLASSIFICATION + REPORT,
    extras_require={"dev": DEVELOPMENT, "notebook": ["ipykernel"]},
)
