"""The CMS producer in jobs: they find the CMS software by the settings of the site."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import uproot
import yaml

from taumltools.store import read_sidecar
from tests.condor.flow import LAW, ROOT

STANDINS = ROOT / "tests" / "standins"


def test_jobs_run_the_cms_producer(pool, tmp_path):
    """The site was a file given by $TAUML_SITE, which jobs did not know."""
    (tmp_path / "Production.py").write_text("# configuration\n")
    for number in range(3):
        with uproot.recreate(tmp_path / f"mini_{number}.root") as file:
            file["Events"] = {"event": np.arange(10, dtype=np.uint64) + 10 * number}
    site = yaml.safe_load((ROOT / "configs/site/local-pool.yaml").read_text())
    path = f"{STANDINS}:{Path(sys.executable).parent}"
    site["cmssw"] = {"setup": [f"export PATH={path}:$PATH PYTHONPATH={ROOT}"]}
    (tmp_path / "site.yaml").write_text(yaml.safe_dump(site))
    dataset = f"{{title:x,source:cmssw,files:['{tmp_path}/mini_*.root'],config:'{tmp_path}/Production.py'}}"
    overrides = f"+datasets.mine={dataset} ~samples.train +samples.train.mine={{chunks:3}}"
    env = {name: v for name, v in os.environ.items() if not name.startswith(("TAUML_", "LAW__"))} | pool.env
    env |= {
        "TAUML_STORE": str(tmp_path / "store"), "TAUML_SITE": str(tmp_path / "site.yaml"), "PYTHONPATH": str(ROOT),
        "LAW_HOME": str(tmp_path / "law"), "LAW_CONFIG_FILE": str(ROOT / "law.cfg"),
    }  # fmt: skip
    command = [
        str(LAW),
        "run",
        "tasks.production.ProduceTuples",
        "--version",
        "v1",
        "--campaign",
        "tiny",
        "--dataset",
        "mine",
    ]
    done = subprocess.run(
        [*command, "--overrides", overrides, "--workflow", "htcondor", "--poll-interval", "0.5s"],
        cwd=tmp_path, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    made = sorted(tmp_path.glob("store/tiny/ProduceTuples/train/mine/v1/*/tuples_*.arrow"))
    assert [read_sidecar(path)["details"]["entries"] for path in made] == [20, 20, 20]
