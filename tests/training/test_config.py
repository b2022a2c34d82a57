from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import pytest

from styleadapt.adaptation.settings import AdaptationConfig
from styleadapt.data.damaged import DamageMix
from styleadapt.errors import ConfigError
from styleadapt.losses.objective import LossWeights
from styleadapt.tasks.finetuning import FinetuneConfig
from styleadapt.tasks.generation import GenerationConfig
from styleadapt.tasks.restoration_config import ColorizationConfig, InpaintingConfig, RestorationConfig
from styleadapt.tasks.style_config import StylizationConfig
from styleadapt.tasks.translation import UnpairedConfig
from styleadapt.training.config import RunConfig, build_config, field_help, load_yaml, parse_config

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = [
    StylizationConfig,
    FinetuneConfig,
    UnpairedConfig,
    RestorationConfig,
    InpaintingConfig,
    ColorizationConfig,
    GenerationConfig,
]


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
        ({"seed": "seven"}, "`seed`: Expected a int. Got value: seven"),
        ({"seed": True}, "`seed`: Expected a int. Got value: True"),
        ({"learning_rate": -1.0}, "`learning_rate`"),
        ({"mixed_precision": "fp8"}, "allowed: no, bf16, fp16"),
        ({"ema_decay": 1.0}, "`ema_decay`"),
        ({"train_batch_size": 0}, "`train_batch_size` is 0; it must be 1 at least"),
        ({"checkpoints_total_limit": -1}, "`checkpoints_total_limit` is -1; it must be 0 or more"),
        ({"lr_warmup_steps": -5}, "`lr_warmup_steps` is -5; it must be 0 or more"),
        ({"validation_steps": -1}, "`validation_steps` is -1; it must be 0 or more"),
        ({"collapse_steps": -1}, "`collapse_steps` is -1; it must be 0 or more"),
        ({"dataloader_num_workers": -1}, "`dataloader_num_workers` is -1; it must be 0 or more"),
        ({"lr_num_cycles": 0}, "`lr_num_cycles` is 0; it must be 1 at least"),
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
    assert parse_config(RunConfig, "", ["--hub_private"]).hub_private is True
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


@dataclass
class Extended(RunConfig):
    words: list[str] = field(default_factory=list)
    numbers: list[float] = field(default_factory=list)
    weights: dict[str, Any] = field(default_factory=dict)
    generator: dict[str, Any] = field(default_factory=dict)
    losses: LossWeights = LossWeights()
    augment: str = "color"
    private: bool | None = None

    def validate(self):
        super().validate()
        for value in self.weights.values():
            float(value)


@pytest.mark.parametrize("word", ["no", "off", "yes", "on", "No", "2024"])
def test_text_on_the_command_line_stays_as_it_is_typed(word):
    config = parse_config(Extended, "", ["--output_dir", word, "--logging_dir", word, "--words", word, "null", "1e3"])
    assert (config.output_dir, config.logging_dir, config.words) == (word, word, [word, "null", "1e3"])


def test_no_precision_and_no_augmentation(tmp_path):
    file = tmp_path / "c.yaml"
    file.write_text("mixed_precision: no\naugment: ''\nwords: [on, off]\n")
    for config in (
        parse_config(Extended, "", ["--config", str(file)]),
        parse_config(Extended, "", ["--mixed_precision", "no", "--augment", "", "--words", "on", "off"]),
    ):
        assert (config.mixed_precision, config.augment, config.words) == ("no", "", ["on", "off"])


@pytest.mark.parametrize("null", ["null", "~", ""])
def test_an_optional_text_can_be_left_out_again(tmp_path, null):
    file = tmp_path / "c.yaml"
    file.write_text(f"logging_dir: {null}\nlr_step_rules: '1:10,0.1'\n")
    config = parse_config(RunConfig, "", ["--config", str(file), "--lr_step_rules", null])
    assert config.logging_dir is None and config.lr_step_rules is None


@pytest.mark.parametrize("text, value", [("no", False), ("Off", False), ("false", False), ("yes", True), ("on", True)])
def test_truth_values_have_many_names(tmp_path, text, value):
    file = tmp_path / "c.yaml"
    file.write_text(f"channels_last: {text}\nprivate: {text}\n")
    for config in (
        parse_config(Extended, "", ["--config", str(file)]),
        parse_config(Extended, "", ["--channels_last", text, "--private", text]),
    ):
        assert config.channels_last is value and config.private is value


def test_numbers_on_the_command_line():
    config = parse_config(Extended, "", ["--numbers", "1e-3", "-2", "--max_grad_norm", ".inf", "--weights", "{gram: 1e-3}"])
    assert config.numbers == [1e-3, -2.0] and config.max_grad_norm == float("inf") and config.weights == {"gram": 1e-3}


@pytest.mark.parametrize(
    "argv, message",
    [
        (["--lerning_rate", "1"], r"unrecognized arguments: --lerning_rate; did you mean `learning_rate`\?$"),
        (["--learning", "1"], "unrecognized arguments: --learning"),
        (["--seed", "1", "2"], "unrecognized arguments: 2$"),
        (["--seed"], "argument --seed: expected one argument"),
        (["--num_train_epochs", "3"], "unrecognized arguments: --num_train_epochs; .*set `max_train_steps`$"),
    ],
)
def test_unknown_options_are_named_with_what_is_meant(argv, message):
    with pytest.raises(ConfigError, match=message):
        parse_config(RunConfig, "", argv)


@pytest.mark.parametrize(
    "argv",
    [
        ["--hub_token", "hf_secret"],
        ["--hub_token=hf_secret"],
        ["--token", "secret"],
        ["--hub-Token=secret", "--seed", "3"],
        ["--key", "hf_secret"],
        ["--seed", "1", "hf_secret"],
    ],
)
def test_tokens_are_not_repeated(argv):
    with pytest.raises(ConfigError, match="unrecognized arguments.*sign in with `hf auth login` or set HF_TOKEN$") as caught:
        parse_config(RunConfig, "", argv)
    assert "secret" not in str(caught.value)


def test_a_token_in_a_file_is_not_repeated():
    with pytest.raises(ConfigError, match="'hub_token' is not accepted; sign in") as caught:
        build_config(RunConfig, {"hub_token": "hf_secret"})
    assert "secret" not in str(caught.value)


def test_what_a_groups_own_class_refuses_is_named():
    with pytest.raises(ConfigError, match="^could not convert string to float: 'abc'$"):
        build_config(Extended, {"weights": {"gram": "abc"}})
    with pytest.raises(ConfigError, match="^the weight of `gram` is -1.0; it must be a number, 0 or more$"):
        build_config(Extended, {"losses": {"gram": -1}})


def test_fields_of_a_group_are_options_beside_those_of_the_file(tmp_path):
    file = tmp_path / "c.yaml"
    file.write_text("losses: {gram: 240, tone: 1e-1}\ngenerator: {blocks: [3, 3]}\n")
    given = ["--losses.gram", "100", "--generator.kernel_rank", "32", "--config", str(file)]
    config = parse_config(Extended, "", given)
    assert config.losses == LossWeights(gram=100, tone=0.1) and config.generator == {"blocks": [3, 3], "kernel_rank": 32}


@pytest.mark.parametrize(
    "values, message",
    [
        ({"words": "one"}, "`words` is 'one'; it must be a list"),
        ({"losses": 3}, "`losses` is 3; it must be `key: value` pairs"),
        ({"losses": {"gran": 3}}, r"Group 'losses' does not accept option 'gran'; did you mean `gram`\?"),
        ({"losses": {"gram": "abc"}}, "`losses.gram`: Expected a float. Got value: abc"),
        ({"max_train_minutes": "long"}, "`max_train_minutes`: Expected one of float, NoneType. Got value: long"),
        ({"lossess": {}}, r"Option 'lossess' is not accepted; did you mean `losses`\?"),
    ],
)
def test_groups_and_lists_are_refused_by_name(values, message):
    with pytest.raises(ConfigError, match=f"^{message}$"):
        build_config(Extended, values)
    if "words" not in values:
        (key, value), *_ = values.items()
        with pytest.raises(ConfigError, match=key):
            parse_config(Extended, "", [f"--{key}", str(value)])


def test_print_config_is_a_config_file(tmp_path, capsys):
    given = ["--losses.gram", "100", "--words", "no", "2024", "--seed", "3", "--max_grad_norm", ".inf", "--logging_dir", "off"]
    with pytest.raises(SystemExit) as ended:
        parse_config(Extended, "", [*given, "--print_config"])
    assert ended.value.code == 0
    (tmp_path / "c.yaml").write_text(capsys.readouterr().out)
    assert parse_config(Extended, "", ["--config", str(tmp_path / "c.yaml")]) == parse_config(Extended, "", given)


@pytest.mark.parametrize("name", sorted(path.stem for path in (ROOT / "configs").glob("*.yaml")))
def test_the_files_in_configs_are_valid(name):
    values = load_yaml(ROOT / "configs" / f"{name}.yaml")
    sources = {"photos": ["a"], "train_data_dir": "a", "domain_a": "a", "domain_b": "b"}
    sources["paintings"] = ["b"] * len(values.get("painting_weights", "b"))
    for config_class in CONFIGS:
        known = {field.name: field.type for field in fields(config_class)}
        if values.keys() <= known.keys():
            given = {key: value for key, value in sources.items() if key in known and key not in values}
            if "list" not in str(known.get("photos", "list")):
                given["photos"] = "a"
            assert build_config(config_class, given | values)
            return
    pytest.fail("no task has all of its keys")


@pytest.mark.parametrize("config_class", [*CONFIGS, AdaptationConfig, LossWeights, DamageMix], ids=lambda c: c.__name__)
def test_every_option_has_its_sentence(config_class):
    told = field_help(config_class)
    assert [field.name for field in fields(config_class) if not told.get(field.name)] == []


def test_help_tells_the_sentences(capsys):
    with pytest.raises(SystemExit):
        parse_config(Extended, "First line.\nSecond line.", ["--help"])
    told = capsys.readouterr().out
    assert "First line.\nSecond line." in told and "--losses.gram" in told
    assert "folder for checkpoints, validation sheets, logs and the final model" in " ".join(told.split())
