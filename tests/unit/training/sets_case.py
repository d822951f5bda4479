"""Features and inputs for tests of networks on sets of objects of several blocks."""

from __future__ import annotations

import numpy as np

from taumltools.config.features import FeatureConfig, FeaturesConfig, ObjectBlock

RAW = FeatureConfig("tau_pt")
BLOCKS = {"pf": ("rel_pt", "deta", "dphi", "charge"), "muon": ("muon_deta", "muon_dphi", "muon_rel_pt")}


def set_features(set_size=0):
    return FeaturesConfig(
        taus={"iso": RAW, "eta": RAW, "mass": RAW},
        objects={
            block: ObjectBlock("pfCand", dict.fromkeys(names, RAW), set_size=set_size)
            for block, names in BLOCKS.items()
        },
        title="test",
    )


def random_sets(n=5, lengths=(8, 4), seed=1):
    """Inputs whose padding holds zeros, as the loader makes them; the first tau candidate has no object."""
    rng = np.random.default_rng(seed)
    inputs = {"taus": rng.normal(size=(n, 3)).astype(np.float32)}
    for (block, names), length in zip(BLOCKS.items(), lengths, strict=True):
        counts = rng.integers(0, length + 1, n)
        counts[0] = 0
        mask = (np.arange(length) < counts[:, None]).astype(np.float32)
        values = rng.normal(0, 0.3, (n, length, len(names))).astype(np.float32)
        values[..., [i for i, name in enumerate(names) if name.endswith("rel_pt")]] = rng.exponential(
            0.3, (n, length, 1)
        )
        values[rng.random(values.shape) < 0.1] = np.nan
        inputs[block], inputs[f"{block}_mask"] = np.where(mask[..., None] > 0, values, 0).astype(np.float32), mask
    return inputs


def longer(inputs, extra=3, fill=7.0):
    """The same sets with more padding, of other values."""
    out = {"taus": inputs["taus"]}
    for block in BLOCKS:
        values, mask = inputs[block], inputs[f"{block}_mask"]
        values = np.where(mask[..., None] > 0, values, fill).astype(np.float32)
        out[block] = np.pad(values, ((0, 0), (0, extra), (0, 0)), constant_values=fill)
        out[f"{block}_mask"] = np.pad(mask, ((0, 0), (0, extra)))
    return out


def shuffled(inputs, seed=2):
    """The same sets in another order."""
    rng, out = np.random.default_rng(seed), {"taus": inputs["taus"]}
    for block in BLOCKS:
        order = rng.permutation(inputs[block].shape[1])
        out[block], out[f"{block}_mask"] = inputs[block][:, order], inputs[f"{block}_mask"][:, order]
    return out
