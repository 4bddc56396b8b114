"""Configs: every mistake becomes one InputError that names file, key, value, what is allowed, and the mend."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError, model_validator

import nanmap
from nanmap.config import Config, build_config, check_values, load_config, parse_assignment
from nanmap.config.base import Settings, require
from nanmap.config.elsewhere import NAMES, suggestion
from nanmap.config.explain import explained_table, place
from nanmap.config.keys import allowed_names, known_keys
from nanmap.config.optimizers import OPTIMIZERS
from nanmap.errors import InputError, NanmapError, RunFolderError, did_you_mean
from nanmap.results.folder import RunFolder

GOOD = """
[data]
kind = "line"
n = 20
[model]
hidden = [4]
[training]
epochs = 5
"""


@pytest.fixture
def config(tmp_path: Path):
    def write(text: str = GOOD, name: str = "my config's.toml") -> Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


# What is set, on top of a good config, and the words that the message must hold besides the file's name.
MISTAKES: dict[str, tuple[str, list[str]]] = {
    "misspelt key": ("optimizer.learning_rat=1", ["optimizer.learning_rat", "did you mean `optimizer.learning_rate`"]),
    "key without its table": ("learning_rate=1", ["learning_rate", "did you mean `optimizer.learning_rate`"]),
    "unknown key": ("zzz=1", ["zzz", "docs/reference.md lists the settings"]),
    "misspelt short key": ("data.kimd=line", ["data.kimd", "did you mean `data.kind`?"]),
    "short for a batch size": ("training.bs=1", ["training.bs", "did you mean `training.batch_size`?"]),
    "short for weight decay": ("optimizer.wd=1", ["optimizer.wd", "did you mean `optimizer.weight_decay`?"]),
    "a metric": ("training.metric=mae", ["training.metric", "reported by itself"]),
    "an entry of no list": ("optimizer.momentum.0=1", ["optimizer.momentum.0", "no such setting"]),
    "a rate left out": (
        "optimizer.layer_learning_rates.1=1",
        ["optimizer.layer_learning_rates.0: is missing", "let axes set the rate of every layer"],
    ),
    "wrong type": ("training.epochs=1.5", ["training.epochs", "a whole number", "1.5"]),
    "text for a number": ("optimizer.learning_rate=fast", ["optimizer.learning_rate", "a number", "'fast'"]),
    "true for a number": ("optimizer.learning_rate=true", ["optimizer.learning_rate", "a number", "True"]),
    "number for a bool": ("model.bias=1", ["model.bias", "true or false", "1"]),
    "number for a list": ("model.hidden=5", ["model.hidden", "a list", "5"]),
    "zero batch": ("training.batch_size=0", ["training.batch_size", "greater than or equal to 1", "0"]),
    "zero units": ("model.hidden=[4,0]", ["model.hidden", "greater than or equal to 1", "0"]),
    "infinite rate": ("optimizer.learning_rate=inf", ["optimizer.learning_rate", "finite", "inf"]),
    "NaN scale": ("model.init_scale=nan", ["model.init_scale", "finite", "nan"]),
    "negative seed": ("training.seed=-1", ["training.seed", "greater than or equal to 0", "-1"]),
    "unknown initialiser": (
        "model.init=glorot",
        ["model.init", "'glorot'", "orthogonal", "torch_linear", "did you mean `glorot_"],
    ),
    "unknown optimizer": ("optimizer.kind=adan", ["optimizer.kind", "'adan'", "lion", "did you mean `adam`?"]),
    "unknown model": ("model.kind=cnn", ["model.kind", "'cnn'", "mlp"]),
    "norm without a place": ("model.hidden=[]", ["model.norm", "mend: ", "model.hidden", "data.scale_inputs"]),
    "rates per layer": ("optimizer.layer_learning_rates=[1.0]", ["optimizer.layer_learning_rates", "model has 2"]),
    "momentum of adam": ("optimizer.kind=adam", ["optimizer.momentum", "sgd"]),
    "file without a name": ("model.init=file", ["model.init_file"]),
    "entropy of numbers": (
        "loss.kind=softmax_cross_entropy",
        ["loss.kind", "mend: ", 'data.target_kind = "class"', "mse"],
    ),
    "classes of formulas": ("data.target_kind=class", ["data.target_kind", "mend: ", 'data.kind = "csv"']),
    "step of zero": ("data.step=0", ["data.step"]),
    "both ends": ("data.stop=5", ["data.n", "data.stop"]),
    "both budgets": ("training.steps=5", []),  # replaces epochs: no mistake
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_with_its_mend(mistake: str, config) -> None:
    override, words = MISTAKES[mistake]
    given = [override]
    if mistake == "norm without a place":
        given.append("model.norm=layer")
    if mistake == "momentum of adam":
        given.append("optimizer.momentum=0.9")
    path = config()
    if not words:
        assert load_config(path, given).training.epochs is None
        return
    with pytest.raises(InputError) as error:
        load_config(path, given)
    message = str(error.value)
    assert all(word in message for word in (*words, path.name)), message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (GOOD.replace("hidden", "hiden"), ["model.hiden", "did you mean `hidden`?"]),
        (GOOD.replace("[model]", "[modl]"), ["modl", "did you mean `model`?"]),
        (GOOD.replace("20", '"x"').replace("hidden", "hiden"), ["model.hiden: unknown key"]),  # before a wrong value
        (GOOD.replace('"line"', '"lines"'), ["data.kind", "'lines'", "did you mean `line`?"]),
        (GOOD.replace("kind", "knd"), ["data.knd: unknown key", "did you mean `kind`?"]),
        (GOOD.replace('kind = "line"', ""), ["data.kind: is missing", "allowed: square, line", "add `kind = …`"]),
        (GOOD + 'metrics = ["accuracy"]', ["training.metrics: unknown key", "accuracy is reported by itself"]),
        (GOOD.replace("[training]\nepochs = 5", ""), ["training", "is missing", "add the table `[training]`"]),
        (GOOD.replace("epochs = 5", ""), ["training.epochs", "training.steps"]),
        (GOOD.replace("epochs = 5", "epochs = 5\nsteps = 5"), ["training.epochs", "one of them"]),
        (GOOD.replace("n = 20", ""), ["data.n"]),
        (GOOD.replace("n = 20", "stop = 5\nstep = -1"), ["data.stop", "empty"]),
        (GOOD.replace("n = 20", "start = 5\nstop = 0"), ["data.stop", "empty"]),
        (GOOD.replace("n = 20", "n = 20\nn = 21"), ["not valid TOML"]),
        ("model = 3\n" + GOOD.replace("[model]\nhidden = [4]", ""), ["model", "a table"]),
        ("outcome.floor = 'low'\n" + GOOD, ["outcome.floor", "auto"]),
        ("[[axes]]\n" + GOOD, ["this is a sweep", "nanmap sweep"]),
        ('config = "c.toml"\n' + GOOD, ["this is a sweep", "nanmap sweep"]),
    ],
)
def test_a_mistake_in_the_file_names_the_file(text: str, words: list[str], config) -> None:
    path = config(text)
    with pytest.raises(InputError) as error:
        load_config(path)
    assert all(word in str(error.value) for word in (*words, path.name)), str(error.value)


FILE = {"data.n": ..., "data.path": "rows.csv", "data.target": "y"}  # `...` leaves out what the tables below write
LABELS = {"data.kind": "csv", "data.target_kind": "class"} | FILE
ARRAYS = {"data.kind": "npz", "data.n": ..., "data.path": "a.npz"}
RMSPROP = {"optimizer.kind": "rmsprop", "optimizer.momentum": 0.9}
# What does not go together, and how the message begins; "" for what does.
COMBINATIONS: list[tuple[dict[str, Any], str]] = [
    ({"data.kind": "parquet"} | FILE, ""),
    ({"data.kind": "parquet"} | FILE | {"data.target": ...}, "data.target: name the column"),
    ({"data.kind": "parquet"} | FILE | {"data.path": ...}, "data.path: `parquet` data needs a file"),
    ({"data.kind": "csv"} | FILE | {"data.target": ...}, "data.target: name the column"),
    (ARRAYS, ""),
    ({"data.kind": "gaussian"}, ""),
    ({"data.kind": "gaussian", "data.n": ...}, "data.n: `gaussian` data drawn at random"),
    ({"data.inputs": "normal", "data.n": ...}, "data.n: `line` data drawn at random"),
    ({"data.inputs": "linspace", "data.stop": 3.0}, ""),
    ({"data.inputs": "linspace"}, "data.n: `linspace` inputs need"),
    ({"data.inputs": "linspace", "data.stop": 3.0, "data.n": ...}, "data.n: `linspace` inputs need"),
    ({"data.start": 5.0, "data.stop": 5.0, "data.n": ...}, "data.stop: the range"),
    ({"data.start": 5.0, "data.stop": 4.0, "data.step": -1.0, "data.n": ...}, ""),
    ({"model.init": "file", "model.init_file": "w.npz"}, ""),
    ({"model.init_file": "w.npz"}, "model.init_file: "),
    ({"optimizer.nesterov": True, "optimizer.momentum": 0.0}, ""),
    ({"optimizer.nesterov": True}, "optimizer.nesterov: nesterov needs sgd with optimizer.momentum"),
    (RMSPROP, ""),
    (RMSPROP | {"optimizer.nesterov": True}, "optimizer.nesterov: nesterov needs sgd with"),
    ({"optimizer.weight_decay": 0.1, "optimizer.kind": "adamw"}, ""),
    ({"optimizer.weight_decay": 0.1, "optimizer.kind": "lion"}, ""),
    ({"optimizer.weight_decay": 0.0}, "optimizer.weight_decay: `sgd` has no weight decay; use adamw or lion"),
    (LABELS | {"loss.kind": "softmax_cross_entropy"}, ""),
    (LABELS | {"loss.kind": "sigmoid_cross_entropy"}, ""),
    (LABELS, "loss.kind: `mse` is a loss of numbers"),
    (LABELS | {"loss.kind": "huber"}, "loss.kind: `huber` is a loss of numbers"),
    ({"loss.kind": "sigmoid_cross_entropy"}, "loss.kind: `sigmoid_cross_entropy` is a loss of classes"),
    (ARRAYS | {"data.target_kind": "class"}, ""),
    (ARRAYS | {"loss.kind": "softmax_cross_entropy"}, ""),
    (LABELS | {"loss.kind": "softmax_cross_entropy", "model.output_activation": "tanh"}, "model.output_activation: "),
    ({"model.output_activation": "tanh"}, ""),
    ({"optimizer.layer_learning_rates": [0.1, 0.2]}, "optimizer.layer_learning_rates: one rate per layer: this model"),
    ({"optimizer.layer_learning_rates": [0.1, 0.2], "model.hidden": [3]}, ""),
]


@pytest.mark.parametrize(("settings", "said"), COMBINATIONS)
def test_settings_that_do_not_go_together_are_told_and_others_are_not(settings: dict[str, Any], said: str) -> None:
    given = {"data.kind": "line", "data.n": 5, "training.epochs": 1} | settings
    given = {key: value for key, value in given.items() if value is not ...}
    if not said:
        assert build_config({}, given).data.kind == given["data.kind"]
        return
    with pytest.raises(InputError) as error:
        build_config({}, given)
    assert str(error.value).startswith(said), str(error.value)


def test_a_missing_file_names_its_neighbour(config, tmp_path: Path) -> None:
    config(name="keras_line.toml")
    with pytest.raises(InputError, match=r"no such file[\s\S]*did you mean `keras_line\.toml`"):
        load_config(tmp_path / "keras_lin.toml")
    with pytest.raises(InputError, match=r"no such file[\s\S]*`nanmap examples` lists configs"):
        load_config(tmp_path / "zzzz")
    with pytest.raises(InputError, match=r"\.toml: cannot be read: "):
        load_config(tmp_path / f"{'long' * 100}.toml")
    with pytest.raises(InputError, match="folder"):
        load_config(tmp_path)
    (tmp_path / "latin.toml").write_bytes(b"# \xe9\n")
    with pytest.raises(InputError, match="is not written in UTF-8"):
        load_config(tmp_path / "latin.toml")


def test_an_error_is_a_value_error_that_reads_as_lines() -> None:
    error = InputError("is wrong", file="a.toml", key="x.y", value=3, allowed=[1, 2], mend="use 1")
    assert isinstance(error, ValueError)
    assert str(error) == "a.toml: x.y: is wrong (got 3)\n  allowed: 1, 2\n  mend: use 1"
    assert str(InputError("is wrong")) == str(InputError("is wrong", allowed=())) == "is wrong"
    assert str(InputError("is wrong", file="first").within("second")).startswith("first")
    assert str(InputError("is wrong", key="x").within("second")) == "second: x: is wrong"
    assert str(InputError("is wrong", value=None)) == "is wrong (got None)"
    assert str(InputError("is wrong", value="3")) == "is wrong (got '3')"
    assert str(InputError("is wrong", key="x", allowed="1 to 3")) == "x: is wrong\n  allowed: 1 to 3"


@pytest.mark.parametrize(
    ("word", "known", "meant"),
    [
        ("zzzz", ["adam"], None),
        ("rate", ["learning_rate"], None),  # 0.47 of the letters
        ("batchsz", ["epochs", "batch_size"], "batch_size"),  # 0.82
        ("sgdd", ["sgdm", "sgd", "sgdmm"], "sgd"),
        ("adam", [], None),
    ],
)
def test_a_misspelt_word_is_answered_by_the_nearest_known_one(word: str, known: list[str], meant: str | None) -> None:
    assert did_you_mean(word, known) == (meant and f"did you mean `{meant}`?")


def test_one_name_catches_every_mistake_and_another_what_is_wrong_with_a_run_folder(tmp_path: Path) -> None:
    assert issubclass(RunFolderError, InputError)
    assert issubclass(InputError, NanmapError)
    assert not issubclass(NanmapError, ValueError)
    with pytest.raises(RunFolderError, match="no such folder"):
        RunFolder(tmp_path / "none").read_manifest()
    with pytest.raises(RunFolderError, match=r"no manifest\.json"):
        RunFolder(tmp_path).read_manifest()
    assert isinstance(RunFolderError("is damaged").within("folder"), RunFolderError)


class Barred(Settings):
    """Its rule speaks with bars, braces and line ends."""

    name: str

    @model_validator(mode="after")
    def _rule(self) -> "Barred":
        require(False, "name", f"`{self.name}` | is {{none}}", "a | b")
        return self


def test_what_a_rule_says_may_hold_any_character() -> None:
    with pytest.raises(ValidationError) as error:
        Barred(name="x|y|{key}")
    told = explained_table(error.value, "axes.a|b", Barred)
    assert (told.key, told.problem, told.mend) == ("axes.a|b.name", "`x|y|{key}` | is {none}", "a | b")


def test_bars_in_names_and_values_are_told_as_they_stand(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"data\.target: name the column"):
        build_config({"data": {"kind": "csv", "path": "a|b|c.csv"}, "training": {"epochs": 1}})
    with pytest.raises(InputError, match=r"model\.init: .*\(got 'zeros\|ones'\)"):
        build_config({"data": {"kind": "line", "n": 2}, "training": {"epochs": 1}, "model": {"init": "zeros|ones"}})


VALUES: list[tuple[str, list[Any], str]] = [
    ("model.init", ["zeros", "glorott_normal"], "model.init: is none of the allowed values (got 'glorott_normal')"),
    ("optimizer.learning_rate", [0.1, "fast"], "optimizer.learning_rate: expects a number (got 'fast')"),
    ("optimizer.learning_rate", [0.1, float("nan")], "optimizer.learning_rate: expects a finite number (got nan)"),
    ("optimizer.learning_rate", [None], "optimizer.learning_rate: expects a number (got None)"),
    ("optimizer.layer_learning_rates.1", [0.1, True], "optimizer.layer_learning_rates.1: expects a number (got True)"),
    ("optimizer.layer_learning_rates.1", [None], "optimizer.layer_learning_rates.1: expects a number (got None)"),
    ("optimizer.layer_learning_rates", [[0.1, "x"]], "optimizer.layer_learning_rates.1: expects a number (got 'x')"),
    ("training.batch_size", [1, 0], "training.batch_size: must be greater than or equal to 1 (got 0)"),
    ("training.batch_size", [1.5], "training.batch_size: expects a whole number (got 1.5)"),
    ("outcome.ratio", [0.05, 0.0], "outcome.ratio: must be greater than 0 (got 0.0)"),
    ("optimizer.b1", [0.5, 1.0], "optimizer.b1: must be less than 1 (got 1.0)"),
    ("data.n", [1, 10**9], "data.n: must be less than or equal to 100,000,000 (got 1000000000)"),
    ("data.target", ["y", 3], "data.target: expects a text (got 3)"),
    ("model.hidden", [[4], [4, 0]], "model.hidden, item 2: must be greater than or equal to 1 (got 0)"),
    ("model.kind", ["mlp", "cnn"], "model.kind: is none of the allowed values (got 'cnn')"),
    ("outcome.floor", ["auto", 0.5, "low"], 'outcome.floor: expects a number, "auto" or "affine" (got \'low\')'),
    ("record.sharpness", [True, "start", "end"], "record.sharpness: expects true, false or \"start\" (got 'end')"),
]


@pytest.mark.parametrize(("key", "values", "said"), VALUES)
def test_a_value_is_told_alone_as_in_a_whole_config(key: str, values: list[Any], said: str) -> None:
    check_values(key, values[:-1])
    with pytest.raises(InputError) as alone:
        check_values(key, values)
    assert str(alone.value).splitlines()[0] == said
    tree = {"data": {"kind": "line", "n": 2}, "training": {"epochs": 1}, "model": {"hidden": [3]}}
    if values[-1] is not None or not key.startswith("optimizer.layer"):  # there a missing rate may come from axes
        rates = {"optimizer.layer_learning_rates.0": 0.1} if key.endswith(".1") else {}
        with pytest.raises(InputError) as whole:
            build_config(tree, rates | {key: values[-1]})
        assert str(alone.value) == str(whole.value)


def test_a_value_that_only_its_company_forbids_is_allowed_alone() -> None:
    check_values("optimizer.momentum", [None, 0.9])
    check_values("data.path", ["rows.csv"])
    with pytest.raises(InputError, match=r"no such setting[\s\S]*did you mean `optimizer.learning_rate`"):
        check_values("optimizer.lr", [0.1])


# What may stand at a key, the ends of its range among them, and what is just beyond.
RANGES: list[tuple[str, list[Any], list[Any]]] = [
    ("outcome.ratio", [1e-9, 0.05, 3.0], [0.0, -1.0, float("inf")]),
    ("loss.delta", [1e-9, 3.0], [0.0, float("inf")]),
    ("training.batch_size", [1, 2**31 - 1], [0, 2**31]),
    ("training.seed", [0, 2**63 - 1], [-1, 2**63]),
    ("data.seed", [0, 2**63 - 1], [-1, 2**63]),
    ("data.n", [1, 100_000_000], [0, 100_000_001]),
    ("data.validation_split", [0.0, 0.999], [-0.1, 1.0]),
    ("optimizer.b1", [0.0, 0.999], [-0.1, 1.0]),
    ("optimizer.b2", [None, 0.0, 0.999], [-0.1, 1.0]),
    ("optimizer.rho", [0.0, 0.999], [1.0]),
    ("optimizer.eps", [0.0, 1e-300, 3.0], [-1e-300, float("inf")]),
    ("optimizer.weight_decay", [None, 0.0, 3.0], [-0.1, float("inf")]),
    ("optimizer.clip_norm", [None, 1e-9], [0.0]),
    ("optimizer.clip_value", [None, 1e-9], [0.0]),
    ("optimizer.clip_output_gradient", [None, 1e-9], [0.0]),
    ("optimizer.warmup_steps", [0, 2**63 - 1], [-1, 2**63]),
    ("optimizer.layer_learning_rates.0", [0.0, -1.0], [float("inf"), float("nan")]),
    ("training.stop_above", [None, 1.0001, 1e300], [1.0, float("inf")]),
    *((key, [0.0, -1.0, 2.0], [float("inf")]) for key in ("model.init_scale", "model.gain", "model.init_offset")),
    *((key, [0.0, -1.0, 2.0], [float("inf")]) for key in ("optimizer.learning_rate", "optimizer.momentum")),
    ("model.bias_init", [None, "zeros", "ones", "normal", "uniform", "torch_linear"], ["he_normal", "file"]),
    ("data.target", [None, "y"], [3]),
]


@pytest.mark.parametrize(("key", "allowed", "refused"), RANGES)
def test_what_a_setting_takes_ends_where_it_should(key: str, allowed: list[Any], refused: list[Any]) -> None:
    check_values(key, allowed)
    for value in refused:
        with pytest.raises(InputError, match=key) as error:
            check_values(key, [value])
        assert f"(got {value!r})" in str(error.value)


@pytest.mark.parametrize("key", ["model.hidden", "optimizer.layer_learning_rates.0"])
def test_a_setting_below_something_that_is_no_table_is_told(key: str) -> None:
    tree = {
        "data": {"kind": "line", "n": 2},
        "training": {"epochs": 1},
        "model": 3,
        "optimizer": {"layer_learning_rates": 1},
    }
    said = "model: expects a table (got 3)" if key == "model.hidden" else f"{key[:-2]}: expects a list (got 1)"
    with pytest.raises(InputError) as error:
        build_config(tree, {key: [4]})
    assert str(error.value) == said


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("a.b=1", ("a.b", 1)),
        ("a.b = 1e-3", ("a.b", 1e-3)),
        ("a.b=[1, 2]", ("a.b", [1, 2])),
        ("a.b=true", ("a.b", True)),
        ("a.b = zeros ", ("a.b", "zeros")),
        ("a.b=words with = and ' in them", ("a.b", "words with = and ' in them")),
        ("a.b=", ("a.b", "")),
    ],
)
def test_assignments_are_read_as_toml_or_as_text(text: str, parsed: tuple) -> None:
    assert parse_assignment(text) == parsed


@pytest.mark.parametrize("text", ["a.b", "=1", " =1"])
def test_what_is_no_assignment_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="key=value") as error:
        parse_assignment(text)
    assert error.value.value == text


def test_overrides_are_laid_over_the_file(config) -> None:
    made = load_config(
        config(),
        ["training.steps=7", "optimizer.layer_learning_rates=[0.1, 0.2]", "optimizer.layer_learning_rates.1=3"],
    )
    assert (made.training.epochs, made.training.steps) == (None, 7)
    assert made.optimizer.layer_learning_rates == (0.1, 3)
    assert (
        build_config(
            {"data": {"kind": "line", "n": 2}, "training": {"steps": 3}}, {"training.epochs": 4}
        ).training.steps
        is None
    )


def test_file_names_are_relative_to_the_config(config, tmp_path: Path) -> None:
    made = load_config(
        config(GOOD.replace('kind = "line"\nn = 20', 'kind = "csv"\npath = "sub/rows.csv"\ntarget = "y"'))
    )
    assert made.data.path == str(tmp_path / "sub" / "rows.csv")


def test_file_names_are_whole_wherever_the_config_is_read_from(
    config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config("\ufeff" + GOOD.replace("hidden = [4]", 'init = "file"\ninit_file = "sub/../w.npz"'), name="c.toml")
    monkeypatch.chdir(tmp_path)
    assert load_config("c.toml").model.init_file == str(tmp_path / "w.npz")


def test_tables_that_are_given_are_never_changed() -> None:
    tree = {"data": {"kind": "line", "n": 2}, "training": {"epochs": 1}}
    build_config(tree, {"training.steps": 3, "data.n": 9, "model.hidden": [4]})
    assert tree == {"data": {"kind": "line", "n": 2}, "training": {"epochs": 1}}


DEFAULTS: dict[str, Any] = {
    "optimizer.kind": "sgd",
    "optimizer.learning_rate": 0.01,
    "optimizer.momentum": None,
    "optimizer.nesterov": False,
    "optimizer.schedule": "constant",
    "optimizer.decay": 0.0,
    "optimizer.warmup_steps": 0,
    "loss.kind": "mse",
    "loss.delta": 1.0,
    "model.hidden": (),
    "model.activation": "relu",
    "model.output_activation": "linear",
    "model.bias": True,
    "model.init_scale": 1.0,
    "model.init_offset": 0.0,
    "model.norm": "none",
    "model.parametrization": "standard",
    "model.gain": 1.0,
    "data.inputs": "range",
    "data.start": 0.0,
    "data.step": 1.0,
    "data.slope": 1.0,
    "data.features": 1,
    "data.categorical": "onehot",
    "data.categories": (),
    "data.scale_inputs": "none",
    "data.scale_targets": "none",
    "data.target_kind": "number",
    "data.validation_split": 0.0,
    "training.stop_above": None,
    "training.stop_converged": False,
    "record.full_loss": False,
    "record.sharpness": False,
    "optimizer.eps": 1e-7,
    "optimizer.rho": 0.9,
    "optimizer.b1": 0.9,
    "training.batch_size": 32,
    "training.order": "shuffle",
    "training.dtype": "float32",
    "training.seed": 0,
    "data.seed": 0,
    "model.init": "glorot_uniform",
    "outcome.ratio": 0.05,
    "outcome.floor": "auto",
    "data.missing": "error",
}


@pytest.mark.parametrize("key", DEFAULTS)
def test_defaults_are_the_documented_ones(key: str, config) -> None:
    table, name = key.split(".")
    path = config(GOOD.replace("[model]\nhidden = [4]\n", ""))
    assert getattr(getattr(load_config(path), table), name) == DEFAULTS[key]


TITLES = {
    **{"sgd": "SGD", "adam": "Adam", "adamw": "AdamW", "amsgrad": "AMSGrad", "adamax": "Adamax", "nadam": "Nadam"},
    **{"radam": "RAdam", "adabelief": "AdaBelief", "rmsprop": "RMSprop", "adagrad": "Adagrad", "lion": "Lion"},
}


def test_optimizers_are_called_as_in_their_papers_and_2_over_lambda_bounds_descent_alone() -> None:
    assert {name: OPTIMIZERS[name].title for name in TITLES} == TITLES
    assert [name for name in TITLES if OPTIMIZERS[name].bounded] == ["sgd"]


def test_every_setting_has_a_description() -> None:
    assert len(known_keys()) > 50
    assert all(field.description for field in known_keys().values())


def test_a_config_never_changes_and_compares_by_value(config) -> None:
    made = load_config(config())
    assert isinstance(made, Config)
    assert made == nanmap.load(config())
    assert hash(made) == hash(load_config(config()))
    with pytest.raises(ValueError, match="frozen"):
        made.training.epochs = 9


def test_settings_survive_a_round_trip_through_plain_tables(config) -> None:
    made = load_config(config())
    assert build_config(made.model_dump(mode="python")) == made


@pytest.mark.parametrize(
    ("key", "value", "near"),
    [
        ("model.activation", "ReLU", "relu"),
        ("model.activation", "LeakyReLU", "leaky_relu"),
        ("loss.kind", "MSE", "mse"),
        ("loss.kind", "mean_squared_error", "mse"),
        ("loss.kind", "binary_crossentropy", "sigmoid_cross_entropy"),
        ("loss.kind", "CrossEntropyLoss", "softmax_cross_entropy"),
        ("model.init", "kaiming", "he_normal"),
        ("model.init", "xavier_uniform", "glorot_uniform"),
        ("model.norm", "BatchNormalization", "batch"),
        ("optimizer.kind", "Adam", "adam"),
        ("training.dtype", "fp16", "float16"),
    ],
)
def test_names_of_other_libraries_and_other_letters_are_known(key: str, value: str, near: str) -> None:
    with pytest.raises(InputError) as told:
        build_config({"data": {"kind": "line", "n": 5}, "training": {"epochs": 2}}, {key: value})
    assert told.value.mend == f"did you mean `{near}`?"


@pytest.mark.parametrize(
    ("key", "near"),
    [
        ("optimizer.lr", "learning_rate"),
        ("training.lr", "optimizer.learning_rate"),
        ("optimizer.beta_1", "b1"),
        ("optimizer.clipnorm", "clip_norm"),
        ("model.Hidden", "hidden"),
        ("training.nb_epoch", "epochs"),
        ("training.LR", "optimizer.learning_rate"),
    ],
)
def test_settings_by_the_names_of_other_libraries_are_known(key: str, near: str) -> None:
    with pytest.raises(InputError) as told:
        build_config({"data": {"kind": "line", "n": 5}, "training": {"epochs": 2}}, {key: 1})
    assert near in str(told.value.mend)


@pytest.mark.parametrize(
    ("meant", "words"),
    [
        ("b1", ["betas", "beta_1"]),  # PyTorch's pair, and Keras' first
        ("b2", ["beta_2"]),
        ("rho", ["alpha"]),  # of PyTorch's RMSprop
        ("clip_value", ["clipvalue"]),
        ("clip_norm", ["clipnorm", "global_clipnorm"]),
        ("hidden", ["units", "hidden_layer_sizes", "layers"]),
        ("steps", ["iterations", "max_iter"]),
        ("epochs", ["nb_epoch", "num-epochs"]),
        ("batch_size", ["bs", "Batch Size", "batchsize"]),
        ("mse", ["l2", "MSELoss"]),
        ("mae", ["l1", "L1Loss", "mean_absolute_error"]),
        ("huber", ["SmoothL1Loss", "Smooth L1"]),
        ("sigmoid_cross_entropy", ["BCELoss", "log_loss", "BinaryCrossentropy"]),
        ("softmax_cross_entropy", ["NLLLoss", "sparse_categorical_crossentropy"]),
        ("he_normal", ["he", "kaiming_normal"]),
        ("he_uniform", ["kaiming_uniform"]),
        ("glorot_uniform", ["glorot", "xavier", "xavier_uniform"]),  # Keras' default is the uniform one
        ("glorot_normal", ["xavier_normal"]),
        ("uniform", ["RandomUniform"]),
        ("normal", ["random normal"]),
        ("batch", ["BatchNorm1d"]),
        ("layer", ["LayerNorm"]),
        ("sigmoid", ["logistic"]),
        ("silu", ["swish"]),
        ("float16", ["half"]),
        ("bfloat16", ["bf16"]),
        ("float64", ["double"]),
        ("standard", ["z-score", "StandardScaler"]),
        ("minmax", ["MinMaxScaler"]),
        ("onehot", ["one_hot_encoder", "one-hot"]),
    ],
)
def test_a_name_of_another_library_is_told_as_what_it_means_there(meant: str, words: list[str]) -> None:
    known = {
        *known_keys(),
        *(name for key in known_keys() for name in (*(allowed_names(key) or ()), key.split(".")[1])),
    }
    for word in words:
        assert suggestion(word, sorted(known)) == f"did you mean `{meant}`?"


def test_a_name_of_another_library_is_not_told_where_it_may_not_stand() -> None:
    assert suggestion("lr", ["mse", "mae"]) is None
    assert suggestion("lr", ["lrs", "mae"]) == "did you mean `lrs`?"


def test_places_below_an_item_are_told_after_a_comma_whatever_its_number() -> None:
    assert [place(["maps", item, "x"]) for item in (0, 8, 9, 99)] == [
        f"maps, item {number}, x" for number in (1, 9, 10, 100)
    ]


def test_every_name_of_another_library_leads_to_one_that_is_known() -> None:
    values = {name for key in known_keys() for name in allowed_names(key) or ()}
    assert set(NAMES.values()) <= values | {key.rpartition(".")[2] for key in known_keys()} | {"optimizer"}
