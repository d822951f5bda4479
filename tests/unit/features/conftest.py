import numpy as np
import pytest

from taumltools.config.features import FeatureConfig, FeaturesConfig, ObjectBlock, ScalingRule
from taumltools.tuples.data import Collection, Tuples

NORMAL = ScalingRule(type="normal")


@pytest.fixture
def config():
    """Two tau-level features and one block of PF candidates."""
    return FeaturesConfig(
        taus={
            "tau_pt": FeatureConfig(scaling=ScalingRule(type="linear", min=20, max=1000)),
            "sig": FeatureConfig(expression="tau_dxy / tau_dxy_error", valid="tau_dxy_error > 0", scaling=NORMAL),
            "prongs": FeatureConfig(expression="tau_decayMode // 5 + 1", scaling=ScalingRule(type="categorical")),
        },
        objects={
            "pf": ObjectBlock(
                collection="pfCand",
                select="delta_r(pfCand_eta, pfCand_phi, tau_eta, tau_phi) < 0.5",
                max_objects=2,
                features={
                    "rel_pt": FeatureConfig(expression="pfCand_pt / tau_pt", scaling=NORMAL),
                    "charge": FeatureConfig(expression="pfCand_charge"),
                },
            )
        },
    )


@pytest.fixture
def tuples():
    """Four entries: a tau, a jet, one without truth, one without reconstructed tau."""
    nan = np.float32("nan")
    scalars = {
        "run": np.full(4, 1, np.uint32),
        "lumi": np.full(4, 2, np.uint32),
        "evt": np.arange(4, dtype=np.uint64),
        "tau_index": np.array([0, 0, 1, -1], np.int32),
        "tau_pt": np.array([50, 40, 30, nan], np.float32),
        "tau_eta": np.array([0, 1, 0, nan], np.float32),
        "tau_phi": np.array([3.1, 0, 0, nan], np.float32),
        "tau_decayMode": np.array([10, -2147483648, 1, -2147483648], np.int32),
        "tau_dxy": np.array([0.1, 0.2, 0.3, nan], np.float32),
        "tau_dxy_error": np.array([0.05, 0.0, 0.1, nan], np.float32),
        "genLepton_index": np.array([0, -1, -1, -1], np.int32),
        "genLepton_kind": np.array([5, -1, -1, -1], np.int32),
        "genLepton_vis_pt": np.array([48, nan, nan, nan], np.float32),
        "genLepton_vis_eta": np.array([0, nan, nan, nan], np.float32),
        "genLepton_vis_phi": np.array([3.1, nan, nan, nan], np.float32),
        "genJet_index": np.array([0, 0, -1, 0], np.int32),
    }
    pf = Collection(
        np.array([0, 4, 5, 5, 6]),
        {
            "pt": np.array([5, 25, 10, 99, 8, 1], np.float32),
            "eta": np.array([0.1, 0.0, 0.2, 0.0, 1.1, 0], np.float32),
            "phi": np.array([-3.1, 3.1, 3.0, 0.0, 0.0, 0], np.float32),
            "charge": np.array([1, -1, 0, 1, -2147483648, 0], np.int32),
        },
    )
    return Tuples(scalars, {"pfCand": pf})
