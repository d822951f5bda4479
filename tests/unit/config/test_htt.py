import pytest
from pydantic import ValidationError

from taumltools.config import load_campaign
from taumltools.config.files import fixed_files
from taumltools.config.htt import ClassConfig, HttConfig
from taumltools.errors import ConfigError


def htt(overrides="", campaign="demo"):
    return load_campaign(campaign, overrides).htt


@pytest.mark.parametrize(("name", "channel", "classes"), [("demo_tt", "tt", 4), ("demo_em", "em", 4)])
def test_demo_channels(name, channel, classes):
    config = htt(f"htt={name}")
    assert config.channel == channel
    assert len(config.classes) == classes


def test_class_is_the_word_in_yaml():
    assert htt().samples["QCD"].processes["fakes"].target == 2


def test_trained_classes_of_both_modes():
    assert [one.name for one in htt().trained_classes().values()] == ["H_sig", "H_bkgr", "Fakes", "Taus"]
    binary = htt("htt.training.mode=binary").trained_classes()
    assert [one.name for one in binary.values()] == ["background", "signal"]
    assert binary[1].title == "signal (H with b jets, H without b jets)"


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ("htt.samples.QCD.processes.fakes.class=7", "no class 7"),
        ("~htt.samples.QCD", r"classes \[2\] have no process"),
        ("htt.classes={0:{name:a},1:{name:a}}", "the same name"),
        ("htt.classes={0:{name:a,colour:red}}", "colour"),
        ("htt.source=files", r"samples.bbH.files"),
        ("htt.samples.QCD.events=null", "how many events"),
        ("htt.preprocess.cont_features=[pt_1,pt_1]", "pt_1: named more than once"),
        ("htt.preprocess.cont_features=[target]", "target: names that the preprocessing needs"),
        ("htt.preprocess.misc_features=[evt]", "lack run"),
        ("htt.preprocess.clip.m_vis=[5,1]", "lower limit comes first"),
        ("htt.preprocess.pca={n_components:50}", "n_components is 50"),
        ("htt.preprocess.weight=''", "compute_w_cp needs"),
        ("htt.preprocess.train_size=1.5", "train_size"),
        ("htt.training.weight=w_cp htt.preprocess.compute_w_cp=false", "made only with"),
        ("htt.training.features=[pt_9]", "pt_9 not among the features"),
        ("htt.training.mode=binary htt.training.signal=[0,1,2,3]", "some, not all, of the classes"),
        ("htt.training.mode=binary htt.training.signal=[]", "at least one class"),
        ("htt.training.split_feature=event", "'event' is not among misc_features"),
        ("+htt.training.boosting.more.num_class=3", "num_class: set by a setting of its own"),
        ("htt.training.n_splits=1", "n_splits"),
    ],
)
def test_wrong_settings_are_named(overrides, message):
    with pytest.raises(ConfigError, match=message):
        htt(overrides.replace("htt.preprocess.clip.m_vis", "+htt.preprocess.clip.m_vis"))


def test_classes_are_numbered_from_zero():
    with pytest.raises(ValidationError, match=r"numbered 0, 1, 2 ..., found \[1\]"):
        HttConfig(classes={1: ClassConfig("a")})


def test_files_are_absolute_and_jobs_are_told(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    config = load_campaign("tiny", "'+htt.samples.ggH.files=[data/a.root]'")
    assert config.htt.samples["ggH"].files == (str(tmp_path / "data/a.root"),)
    assert str(tmp_path / "data/a.root") in fixed_files(config)


def test_principal_components_are_the_features_of_the_training():
    config = htt("htt.preprocess.pca={n_components:2} htt.training.features=[pca_0,njets]")
    assert config.preprocess.output_features() == (("pca_0", "pca_1"), ("njets", "nbtag"))
