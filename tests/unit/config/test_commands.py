import logging
import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taumltools.config import load_campaign
from taumltools.config.commands import grid, merge_overrides, read_commands
from taumltools.errors import ConfigError

LEGACY = (
    "python Training_CNN.py experiment_name=run3 training_cfg.SetupNN.learning_rate=1e-4 "
    "path_to_mlflow=../mlruns gpu_cfg.gpu_mem=11 'training_cfg.SetupNN.TauLossesSFs=[1, 2, 3, 4]'"
)


@pytest.fixture
def written(tmp_path):
    def write(text):
        path = tmp_path / "commands.txt"
        path.write_text(text)
        return path

    return write


def test_a_training_a_line(written):
    text = """# two small ones
model=mini training.epochs=1   # quick

model=mini \\
    training.epochs=2
   # the rest is for tomorrow \\
'training.scale_factors=[1, 2, 3, 4]'"""
    assert read_commands(written(text)) == (
        "model=mini training.epochs=1",
        "model=mini training.epochs=2",
        "'training.scale_factors=[1, 2, 3, 4]'",
    )


def test_legacy_command_lines(written, caplog):
    with caplog.at_level(logging.WARNING):
        (line,) = read_commands(written(f"CUDA_VISIBLE_DEVICES=0 {LEGACY}\n"))
    config = load_campaign("tiny", line).training
    assert config.tracking.experiment == "run3"
    assert config.learning_rate == 1e-4
    assert config.scale_factors == (1.0, 2.0, 3.0, 4.0)
    assert "'path_to_mlflow=../mlruns' is left out: its place is taken by --tracking-uri" in caplog.text
    assert "gpu_cfg.gpu_mem" in caplog.text


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("SetupNN.optimizer_name=Nadam SetupNN.schedule_decay=1e-4", {"optimizer": "nadam", "schedule_decay": 1e-4}),
        ("SetupNN.step_decay=2", {"schedule": "step", "step_epochs": 2}),
        ("SetupNN.step_decay=0", {"schedule": "constant"}),
        ("SetupNN.metrics=[Le,Wjet]", {"metrics": ("Le", "Wjet")}),
        ("Setup.n_tau=100 SetupNN.n_epochs=3", {"batch_size": 100, "epochs": 3}),
    ],
)
def test_legacy_settings_of_the_fit(written, words, expected):
    legacy = " ".join(f"training_cfg.{word}" for word in words.split())
    (line,) = read_commands(written(f"python Training_CNN.py {legacy}"))
    config = load_campaign("tiny", line).training
    assert {name: getattr(config, name) for name in expected} == expected


def test_legacy_settings_of_the_network_and_the_weights(written):
    text = "python Training_CNN.py training_cfg.SetupNN.first_layer_reg={} training_cfg.Setup.weight_thr=1000"
    for value, expected in (("null", ""), ("'\"L1,1e-4\"'", "L1,1e-4")):
        (line,) = read_commands(written(text.format(value)))
        config = load_campaign("proof", f"model=deeptau_narrow training=deeptau_v2p5 {line}")
        assert config.model.deeptau.first_layer_reg == expected
        assert config.training.spectra.weight_thr == 1000


def test_legacy_optimizers_other_than_nadam_are_refused(written):
    with pytest.raises(ConfigError, match=r"line 1: .*Adam': the legacy programs trained with Nadam only"):
        read_commands(written("python Training_CNN.py training_cfg.SetupNN.optimizer_name=Adam"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no training in it"),
        ("# nothing\n\n", "has no training in it"),
        ("model=mini\nmodel mini\n", r"line 2: 'model' is no override: expected key=value"),
        ("model='mini\n", r"line 1: No closing quotation"),
        ("python Training_CNN.py --config-name train_phase2\n", r"line 1: '--config-name' is no override: options of"),
    ],
)
def test_lines_that_cannot_be_read_are_named(written, text, message):
    with pytest.raises(ConfigError, match=message):
        read_commands(written(text))


def test_file_that_is_not_there(tmp_path):
    with pytest.raises(ConfigError, match="expected a text file with a training a line"):
        read_commands(tmp_path / "none.txt")


def test_last_override_of_a_group_counts():
    merged = merge_overrides("model=mini training.epochs=2", "+training.epochs=3 model=deepset")
    assert merged == "+training.epochs=3 model=deepset"
    assert load_campaign("tiny", merge_overrides("model=deepset", "model=mini")).model.name == "deepset"


@pytest.mark.parametrize("ranges", ["", "training.epochs", "=1,2", "training.epochs=1,,2"])
def test_grids_that_are_none(ranges):
    with pytest.raises(ConfigError, match=r"no range of a setting|no setting is to be scanned"):
        grid(ranges)


names = st.text("abc._", min_size=1, max_size=4)
plain_values = st.text("xyz019. -", min_size=1, max_size=5).filter(lambda v: v == v.strip())
values = st.lists(st.one_of(plain_values, st.sampled_from(["[1,2]", "'a,b'", "{k: [1,2]}"])), min_size=1, max_size=4)


@given(st.dictionaries(names, values, min_size=1, max_size=3))
def test_grid_has_every_combination_once_and_its_words_survive_the_shell(axes):
    ranges = shlex.join(f"{name}={','.join(choices)}" for name, choices in axes.items())
    combinations = grid(ranges)
    expected = 1
    for choices in axes.values():
        expected *= len(choices)
    assert len(combinations) == expected
    for combination in combinations:
        parts = dict(word.split("=", 1) for word in shlex.split(combination))
        assert list(parts) == list(axes)
        assert all(parts[name] in choices for name, choices in axes.items())
