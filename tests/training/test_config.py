import pytest

from styleadapt.training.config import ConfigError, RunConfig, build_config, parse_config


def test_the_command_line_wins_over_the_file(tmp_path):
    file = tmp_path / "c.yaml"
    file.write_text("seed: 3\nlearning_rate: 1e-4\nmax_train_steps: 7\n")
    config = parse_config(RunConfig, "", ["--config", str(file), "--seed", "5"])
    assert (config.seed, config.learning_rate, config.max_train_steps) == (5, 1e-4, 7)


def test_defaults_without_a_file():
    assert parse_config(RunConfig, "", []) == RunConfig()


@pytest.mark.parametrize(
    "values, message",
    [
        ({"sede": 1}, "did you mean `seed`"),
        ({"seed": "seven"}, "`seed` is 'seven' .str., expected int"),
        ({"seed": True}, "`seed` is True"),
        ({"learning_rate": -1.0}, "`learning_rate`"),
        ({"mixed_precision": "fp8"}, "allowed: no, bf16, fp16"),
        ({"ema_decay": 1.0}, "`ema_decay`"),
        ({"train_batch_size": 0}, "`train_batch_size` is 0"),
    ],
)
def test_bad_values_are_refused_by_name(values, message):
    with pytest.raises(ConfigError, match=message):
        build_config(RunConfig, values)


@pytest.mark.parametrize("text, message", [("a: [1", "not valid YAML"), ("- 1\n- 2", "key: value")])
def test_bad_files_are_refused(tmp_path, text, message):
    file = tmp_path / "c.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=message):
        parse_config(RunConfig, "", ["--config", str(file)])


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match="absent.yaml"):
        parse_config(RunConfig, "", ["--config", str(tmp_path / "absent.yaml")])


def test_a_flag_needs_no_value():
    assert parse_config(RunConfig, "", ["--dry_run", "--seed", "2"]).dry_run
    assert not parse_config(RunConfig, "", ["--channels_last", "false"]).channels_last


@pytest.mark.parametrize(
    "values, message",
    [
        ({"optimizer": "adamm"}, "`optimizer` is 'adamm'; allowed: adam, adamw"),
        ({"lr_scheduler": "stairs"}, "`lr_scheduler` is 'stairs'.*linear_second_half"),
    ],
)
def test_unknown_strategies_are_refused(values, message):
    with pytest.raises(ConfigError, match=message):
        build_config(RunConfig, values)


def test_a_tracker_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="pip install wandb"):
        build_config(RunConfig, {"report_to": "wandb"})
