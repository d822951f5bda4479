from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taumltools.config.weights import SpectraWeights, WeightBins
from taumltools.errors import InputError
from taumltools.features.flat import FlatTuples, write_flat
from taumltools.training.loader import Loader
from taumltools.training.spectra import Binning, read_spectra
from taumltools.training.weights import TypeWeights, spectrum_weights
from taumltools.tuples.io import open_tuples
from taumltools.tuples.truth import TAU_TYPES

DATA = Path(__file__).parents[2] / "data"
WEIGHTS = DATA / "weights.root"
COARSE = (WeightBins((20, 50, 100), (0, 1, 2.5)), WeightBins((100, 1000), (0, 2.5)))


def test_weights_are_those_of_the_loader_of_the_cms_tools():
    """The original's weights of 97 taus, from the same spectra and the default bins."""
    with np.load(DATA / "loader_v2p5.npz") as stored:
        entry, label, expected = stored["entry"], stored["label"], stored["weight"]
    with open_tuples(DATA / "cms_tools/head/input/DY/eventTuple_1.root") as reader:
        tuples = reader.read(["tau_pt", "tau_eta"])
    config = SpectraWeights(input=str(WEIGHTS))
    binning = Binning(config.bins)
    weights = spectrum_weights(config, binning, np.zeros((4, len(binning))))
    index = {name: np.nan_to_num(tuples[name][entry], nan=-999.0) for name in ("tau_pt", "tau_eta")}
    found = weights.of(label.argmax(axis=1), index)
    np.testing.assert_array_equal(found, expected)
    assert set(expected.tolist()) == {0.0, 0.25, 0.5, 1.0, 2.0}
    undefined = {name: np.where(column == -999, np.nan, column) for name, column in index.items()}
    np.testing.assert_array_equal(weights.of(label.argmax(axis=1), undefined), expected)


def test_default_bins_are_those_of_deeptau_v2p5():
    groups = SpectraWeights().bins
    assert sum(len(group.pt) - 1 for group in groups) == 27
    assert len(Binning(groups)) == 20 * 25 + 4 * 10 + 3 * 7


def test_file_of_spectra_is_summed_bin_by_bin():
    binning = Binning(COARSE)
    found = read_spectra(WEIGHTS, TAU_TYPES, binning)
    fine = np.array([30 * 100, 30 * 150, 50 * 100, 50 * 150, 900 * 250])  # bins of 1 GeV and 0.01, flat
    np.testing.assert_array_equal(found, np.outer([2, 4, 1, 0.5], fine))


@given(st.lists(st.tuples(st.floats(0, 1100), st.floats(-3, 3)), min_size=1, max_size=20))
def test_each_entry_is_in_the_bin_whose_edges_hold_it(points):
    binning = Binning(SpectraWeights().bins)
    pt, eta = np.array(points, np.float32).T
    for p, e, number in zip(pt, np.abs(eta.astype(float)), binning.number(pt, eta), strict=True):
        x = binning.edges
        holds = np.flatnonzero((x[:, 0] <= p) & (p < x[:, 1]) & (x[:, 2] <= e) & (e < x[:, 3]))
        assert holds.tolist() == ([number] if number >= 0 else [])


@pytest.mark.parametrize(
    ("pt", "eta"), [(np.nan, 0.0), (30.0, np.nan), (19.9, 0.0), (1000.0, 0.0), (30.0, -2.5), (np.inf, 0.0)]
)
def test_outside_of_all_bins_the_weight_is_zero(pt, eta):
    config = SpectraWeights(bins=COARSE)
    binning = Binning(COARSE)
    weights = spectrum_weights(config, binning, np.ones((4, len(binning))))
    assert weights.of(np.array([0]), {"tau_pt": np.array([pt]), "tau_eta": np.array([eta])}) == 0
    assert weights.of(np.array([-1]), {"tau_pt": np.array([30.0]), "tau_eta": np.array([0.0])}) == 0


@pytest.fixture
def spectrum_flat(flat):
    rng = np.random.default_rng(9)
    types = flat.index["tau_type"]
    pt = (20 + rng.exponential(np.array([30, 50, 70, 90])[types])).astype(np.float32)
    eta = rng.uniform(-2.6, 2.6, len(flat)).astype(np.float32)
    return FlatTuples({**flat.index, "tau_pt": pt, "tau_eta": eta}, flat.taus, flat.objects)


@pytest.fixture
def spectrum_path(tmp_path, spectrum_flat):
    write_flat(tmp_path / "a.h5", [spectrum_flat])
    return tmp_path / "a.h5"


@pytest.mark.parametrize("composition", [(), (1, 2, 1, 1)])
@pytest.mark.parametrize("cache_mb", [100, 0])
def test_weighted_types_have_the_spectrum_of_taus(
    spectrum_path, spectrum_flat, features, training, replace, composition, cache_mb
):
    config = replace(
        training,
        class_weights="spectra",
        spectra=SpectraWeights(bins=COARSE),
        composition=composition,
        cache_mb=cache_mb,
    )
    loader = Loader([spectrum_path], features, config)
    batches = list(loader.train_batches(1))
    assert sum(map(len, batches)) - loader.entries < loader.batch_size
    sums = sum(b.weight.astype(float) @ b.target for b in batches)
    np.testing.assert_allclose(sums, sums[2], rtol=1e-5 if not composition else 0.1)
    if not composition:
        taus = np.concatenate([b.weight[b.target[:, 2] > 0] for b in batches])
        assert set(np.unique(taus).tolist()) == {0.0, 1.0}  # 0: outside of |η| 2.5, and what fills the last batch


def test_an_empty_bin_is_refused_by_name(spectrum_path, features, training, replace):
    config = replace(training, class_weights="spectra")
    with pytest.raises(
        InputError, match=r"spectrum of type e: no entries with pt \d+ to \d+ GeV, \|η\| .* other bins of 561"
    ):
        Loader([spectrum_path], features, config)


def test_an_empty_target_is_refused():
    binning = Binning(COARSE)
    sample = np.ones((4, len(binning)))
    sample[2, 3] = 0
    with pytest.raises(
        InputError, match=r"spectrum of type tau: no entries with pt 50 to 100 GeV, \|η\| 1 to 2.5 of 5"
    ):
        spectrum_weights(SpectraWeights(bins=COARSE), binning, sample)


def test_weights_that_differ_too_much_are_refused():
    binning = Binning(COARSE)
    sample = np.ones((4, len(binning)))
    sample[0, 1], sample[3, 4] = 1e3, 1e-3
    spectrum_weights(SpectraWeights(bins=COARSE, weight_thr=1.01e6), binning, sample)
    expected = r"differ by a factor 1e\+06.* 1e\+03 for jet in pt 100 to 1000 GeV.* 0.001 for e in pt 20 to 50 GeV"
    with pytest.raises(InputError, match=expected):
        spectrum_weights(SpectraWeights(bins=COARSE), binning, sample)


def test_entries_outside_of_all_bins_are_refused(spectrum_path, features, training, replace):
    far = SpectraWeights(bins=(WeightBins((5000, 6000), (0, 2.5)),))
    with pytest.raises(InputError, match="all entries of type e, mu, tau, jet lie outside of the bins"):
        Loader([spectrum_path], features, replace(training, class_weights="spectra", spectra=far))


def test_flat_tuples_without_pt_are_refused(paths, features, training, replace):
    with pytest.raises(InputError, match=r"a.h5: index columns \['tau_eta', 'tau_pt'\] are missing"):
        Loader(paths, features, replace(training, class_weights="spectra"))


@pytest.mark.parametrize(
    ("bins", "message"),
    [
        ((WeightBins((20, 30.5), (0, 2.5)),), r"pt: 30.5 is no edge of its 980 bins"),
        ((WeightBins((20, 30), (0, 2.7)),), "η"),
    ],
)
def test_edges_that_the_file_does_not_have(bins, message):
    with pytest.raises(InputError, match=message):
        read_spectra(WEIGHTS, TAU_TYPES, Binning(bins))


def test_files_that_are_not_spectra(tmp_path):
    binning = Binning(COARSE)
    with pytest.raises(InputError, match="no such file"):
        read_spectra(tmp_path / "no.root", TAU_TYPES, binning)
    with pytest.raises(InputError, match="no histogram eta_pt_hist_emb_tau, found eta_pt_hist_tau"):
        read_spectra(WEIGHTS, ["emb_tau"], binning)


@pytest.mark.parametrize(
    ("bins", "message"),
    [
        ((), "at least one entry"),
        (({"pt": [20], "eta": [0, 1]},), "pt needs at least two ascending edges"),
        (({"pt": [20, 30], "eta": [0, 2, 1]},), "eta needs at least two ascending edges"),
        (({"pt": [20, 30], "eta": [0, 1]}, {"pt": [40, 50], "eta": [0, 1]}), "30.0 GeV ends one, 40.0 starts the next"),
    ],
)
def test_settings_that_make_no_sense(bins, message):
    with pytest.raises(ValueError, match=message):
        SpectraWeights(bins=bins)
    with pytest.raises(ValueError, match="weight_thr"):
        SpectraWeights(weight_thr=0.5)


def test_balanced():
    weights = TypeWeights.balanced([10, 20, 40, 30]).of(np.repeat([0, 1, 2, 3], [10, 20, 40, 30]), {})
    assert weights.mean() == pytest.approx(1)
    assert weights[0] == 2.5
