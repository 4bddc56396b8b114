"""The typed settings of one training, and the rules that hold between them. Knows nothing of files or arrays."""

from collections.abc import Iterable
from typing import Annotated, Self

from pydantic import Field, model_validator

from nanmap.config import choices
from nanmap.config.base import (
    Arguments,
    Natural,
    NotNegative,
    Number,
    Numbers,
    Positive,
    Rates,
    Seed,
    Settings,
    Share,
    Table,
    Whole,
    require,
)
from nanmap.config.code import CodeName, HeldName, is_code, is_own
from nanmap.config.losses import loss_entry, losses_that_read
from nanmap.config.optimizers import OPTIMIZERS, OptimizerEntry, optimizer_entry, optimizers_that_read
from nanmap.config.ranges import range_count
from nanmap.limits import MOST_LAYERS, MOST_ROWS


def _ticked(names: Iterable[str]) -> str:
    return " and ".join(f"`{name}`" for name in names)


class DataSettings(Settings):
    """Where the rows come from and what is done to them before training."""

    kind: choices.DataKind = Field(
        description="built-in data, the kind of file, or `arrays`: what a program in Python gives as x and y"
    )
    inputs: choices.InputKind = Field("range", description="how `square` and `line` choose x")
    start: Number = Field(0.0, description="first x")
    stop: Number | None = Field(None, description="end of x: excluded by `range`, included by `linspace`")
    step: Number = Field(1.0, description="distance between x of `range`")
    n: Annotated[Whole, Field(ge=1, le=MOST_ROWS)] | None = Field(None, description="number of rows of built-in data")
    slope: Number = Field(1.0, description="slope of `line`")
    features: Natural = Field(1, description="number of inputs of `gaussian`")
    path: str | None = Field(None, description="file of rows, relative to the config")
    sha256: str | None = Field(None, description="of `arrays`: what stands for them; Python sets it")
    target: str | None = Field(None, description="column to predict")
    columns: Annotated[tuple[str, ...], Field(strict=False)] | None = Field(
        None, description="input columns; all but the target if absent"
    )
    categorical: choices.Categorical = Field("onehot", description="how text columns become numbers")
    categories: Annotated[tuple[str, ...], Field(strict=False)] = Field(
        (), description="columns whose numbers are names, such as numbers of shops: treated as texts are"
    )
    missing: choices.Missing = Field("error", description="what to do about missing values")
    scale_inputs: choices.ScalingKind = Field(
        "none", description="scaling of each input column, fitted on training rows"
    )
    scale_targets: choices.ScalingKind = Field("none", description="scaling of the target, fitted on training rows")
    target_kind: choices.TargetKind = Field(
        "number", description="`class` encodes the target's values, for a cross-entropy"
    )
    seed: Seed = Field(0, description="seed of generated rows")
    validation_split: Share = Field(
        0.0,
        description="share of the rows, from the end, kept for validation; floor(rows · (1 − share)) train, as in Keras",
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        from_file, given = self.kind in choices.FILE_KINDS, self.kind == "arrays"
        require(
            not given or self.sha256 is not None,
            "kind",
            "`arrays` are given by a program in Python",
            'nanmap.run(config, x=x, y=y); a file of arrays has data.kind = "npz" and data.path',
        )
        require(
            from_file or given or self.target_kind == "number",
            "target_kind",
            f"`{self.kind}` data are numbers; classes come from files: csv, parquet or npz",
            'leave target_kind out, or set data.kind = "csv" with data.path and data.target',
        )
        if from_file:
            require(self.path is not None, "path", f"`{self.kind}` data needs a file: set data.path")
            needs_target = self.kind != "npz"
            require(self.target is not None or not needs_target, "target", "name the column to predict: data.target")
        elif given:
            pass
        elif self.kind == "gaussian" or self.inputs == "normal":
            require(self.n is not None, "n", f"`{self.kind}` data drawn at random needs its number of rows: data.n")
        elif self.inputs == "linspace":
            require(self.n is not None and self.stop is not None, "n", "`linspace` inputs need data.stop and data.n")
        else:
            one = (self.n is None) != (self.stop is None)
            require(one, "n", "`range` inputs need either data.n or data.stop, not both")
            require(self.step != 0, "step", "a step of 0 gives no range")
            rising = self.stop is None or (self.stop - self.start) * self.step > 0
            require(rising, "stop", "the range from data.start to data.stop is empty")
            few = self.stop is None or range_count(self.start, self.stop, self.step) <= MOST_ROWS
            require(few, "stop", f"the range from data.start to data.stop has more than {MOST_ROWS:,} rows")
        return self


class ModelSettings(Settings):
    """The network: Dense layers with an activation, and a normalisation between the two in hidden layers."""

    kind: choices.ModelKind | CodeName | HeldName = Field(
        "mlp",
        description="`mlp`; without hidden layers a linear model; or a network of your own, `python:file.py:factory`; `held:…` is one that a program in Python holds",
    )
    arguments: Arguments = Field(
        Table(), description="what the factory is called with: each value a program of its own"
    )
    numbers: Numbers = Field(
        Table(), description="numbers that your network is given; an axis over them compiles nothing"
    )
    rewrite: bool = Field(
        True,
        description="whether convolutions of your network become products of patches on a CPU, as is faster in a loop",
    )
    undo: choices.Undone = Field(
        "none", description="an activation at the end of your network, undone before the loss, which takes logits"
    )
    class_axis: choices.ClassAxis = Field(
        -1,
        description="where your network has its classes under `softmax_cross_entropy`: on the last axis of its outputs, or on axis 1 as PyTorch's losses",
    )
    hidden: Annotated[tuple[Natural, ...], Field(strict=False, max_length=MOST_LAYERS)] = Field(
        (), description="units of each hidden layer"
    )
    activation: choices.ActivationKind = Field("relu", description="activation of hidden layers")
    output_activation: choices.ActivationKind = Field("linear", description="activation of the output")
    bias: bool = Field(True, description="whether layers have biases")
    init: choices.InitKind = Field("glorot_uniform", description="initialiser of the kernels")
    init_scale: Number = Field(1.0, description="factor on the drawn kernels")
    init_offset: Number = Field(0.0, description="shift added to the first layer's kernel")
    init_file: str | None = Field(
        None, description="`.npz` with layers.0.kernel, layers.0.bias, …; a norm's arrays are optional"
    )
    bias_init: choices.BiasInitKind | None = Field(None, description="zeros; under `torch_linear` as PyTorch draws it")
    norm: choices.NormKind = Field(
        "none", description="normalisation between Dense and activation of hidden layers, as Keras's"
    )
    parametrization: choices.Parametrization = Field("standard", description="factor on each layer's product")
    gain: Number = Field(1.0, description="factor on hidden pre-activations, inside the activation")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for name in ("arguments", "numbers", "rewrite", "undo", "class_axis"):
            require(
                is_own(self.kind) or getattr(self, name) == type(self).model_fields[name].default,
                name,
                f"is for a network of your own, and this is `{self.kind}`",
                'model.kind = "python:file.py:factory"',
            )
        has_place = self.kind != "mlp" or self.norm == "none" or bool(self.hidden)
        require(
            has_place,
            "norm",
            "norm acts in hidden layers and there is none",
            'add one with model.hidden = [16], or normalise the data of a linear model: data.scale_inputs = "standard"',
        )
        require(
            (self.init == "file") == (self.init_file is not None),
            "init_file",
            '`init = "file"` and init_file go together',
        )
        return self


class LossSettings(Settings):
    """What is minimised, as a mean over the rows of the batch."""

    kind: choices.LossKind | CodeName = Field(
        "mse",
        description="loss, a mean over rows and outputs; cross-entropies take logits; `python:file.py:loss` gives the loss of each row",
    )
    delta: Positive = Field(
        1.0, description=f"where {_ticked(losses_that_read('delta'))} turns from square to straight"
    )


class OptimizerSettings(Settings):
    """The update rule. Optax's definitions with Keras's defaults."""

    kind: choices.OptimizerKind | CodeName = Field(
        "sgd", description="update rule; `python:file.py:rule` makes an optax transformation from numbers"
    )
    learning_rate: Number = Field(0.01, description="step size; negative is gradient ascent")
    layer_learning_rates: Annotated[tuple[Number, ...], Field(strict=False)] | None = Field(
        None, description="one rate per layer, in place of learning_rate"
    )
    group_rates: Rates = Field(
        Table(),
        description="of a network of your own: rates of the parameters whose names fit a pattern, as `attention.*`",
    )
    momentum: Number | None = Field(
        None, description=f"momentum of {_ticked(optimizers_that_read('momentum'))}; absent = none"
    )
    nesterov: bool = Field(False, description="Nesterov's form of momentum")
    b1: Share = Field(0.9, description="decay of the first moment")
    b2: Share | None = Field(
        None,
        description=f"decay of the second moment; absent = {OptimizerEntry.b2:g}, "
        + ", ".join(
            f"for `{name}` {entry.b2:g}" for name, entry in OPTIMIZERS.items() if entry.b2 != OptimizerEntry.b2
        ),
    )
    eps: NotNegative = Field(1e-7, description="added to the denominator of adaptive rules")
    rho: Share = Field(0.9, description="decay of RMSprop's mean square")
    weight_decay: NotNegative | None = Field(
        None, description=f"decoupled weight decay of {_ticked(optimizers_that_read('weight_decay'))}"
    )
    schedule: choices.ScheduleKind = Field("constant", description="how the rate changes with the step")
    decay: Number = Field(
        0.0, description="inverse_time: rate / (1 + decay·step); exponential: rate · exp(−decay·step)"
    )
    warmup_steps: Annotated[Whole, Field(ge=0, lt=2**63)] = Field(0, description="steps of linear warm-up")
    clip_value: Positive | None = Field(None, description="bound on each gradient element")
    clip_norm: Positive | None = Field(None, description="bound on the gradient's global norm")
    clip_output_gradient: Positive | None = Field(None, description="bound on each element of dloss/doutput")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        reads = optimizer_entry(self.kind).reads
        require(
            self.momentum is None or "momentum" in reads,
            "momentum",
            f"`{self.kind}` has no momentum setting; it belongs to {' and '.join(optimizers_that_read('momentum'))}",
        )
        require(
            not self.nesterov or ("nesterov" in reads and self.momentum is not None),
            "nesterov",
            f"nesterov needs {' or '.join(optimizers_that_read('nesterov'))} with optimizer.momentum",
        )
        require(
            self.weight_decay is None or "weight_decay" in reads,
            "weight_decay",
            f"`{self.kind}` has no weight decay; use {' or '.join(optimizers_that_read('weight_decay'))}",
        )
        return self


class TrainingSettings(Settings):
    """The budget, the batches and the number format."""

    batch_size: Natural = Field(32, description="rows per update; more than there are rows means full batch")
    epochs: Natural | None = Field(None, description="budget in passes over the rows")
    steps: Natural | None = Field(None, description="budget in updates")
    order: choices.OrderKind = Field("shuffle", description="order of the rows; each epoch's last short batch is kept")
    seed: Seed = Field(0, description="seed of initialisation and order")
    dtype: choices.DtypeKind = Field(
        "float32",
        description="number format of parameters, activations, gradients, optimizer state; losses have at least float32",
    )
    stop_above: Annotated[float, Field(gt=1, allow_inf_nan=False)] | None = Field(
        None,
        description="end a cell once its loss over all rows exceeds this multiple of its initial loss; off if absent",
    )
    stop_converged: bool = Field(False, description="end a cell once its loss over all rows counts as converged")

    @model_validator(mode="after")
    def _one_budget(self) -> Self:
        one = (self.epochs is None) != (self.steps is None)
        require(one, "epochs", "give the budget as training.epochs or as training.steps, one of them")
        return self


class OutcomeSettings(Settings):
    """Thresholds of the outcomes."""

    ratio: Positive = Field(
        0.05,
        description="converged: loss_final ≤ floor + ratio · max(loss_constant − floor, ratio · loss_constant)",
    )
    floor: Annotated[Number, Field(strict=True)] | Annotated[str, Field(pattern="^(auto|affine)$")] = Field(
        "auto",
        description="`affine`: the loss of the best line (of classes: of the best straight border); `auto`: the same for a linear model, for a network the lower of that and of the five nearest rows' answer, or 0 where that explains nothing; or a number",
    )
    rows: Annotated[Whole, Field(ge=1)] | None = Field(
        None,
        description="most training rows that the five losses, their references and dead units are taken over, and as many validation rows: a sample, drawn once; all if absent",
    )
    rising: Annotated[float, Field(ge=1, allow_inf_nan=False)] = Field(
        1.01,
        description="a loss is rising if it is above this multiple of an earlier one: 1 % is more than it trembles",
    )
    falling: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] = Field(
        0.99, description="progressing: the loss is below this multiple of that at nine tenths of the budget"
    )
    rebound: Annotated[float, Field(ge=1, allow_inf_nan=False)] = Field(
        2.0, description="diverged: above the constant answer and above this multiple of the lowest loss"
    )


THRESHOLDS = tuple(
    name for name in OutcomeSettings.model_fields if name != "rows"
)  # which decide nothing by themselves


class RecordSettings(Settings):
    """What is recorded beside the outcome."""

    full_loss: bool = Field(False, description="loss over all rows at every step, for `measure` of minibatch trainings")
    sharpness: bool | Annotated[str, Field(pattern="^start$")] = Field(
        False,
        description="λmax of networks at the start and at the end, by Lanczos on all rows; `start` leaves out the end",
    )
    history: Annotated[Whole, Field(ge=2, le=10_000)] | None = Field(
        None,
        description="updates per cell, evenly in the logarithm, whose loss and norms are kept beside the rows of a sweep; none if absent",
    )
    history_cells: choices.HistoryCells | Annotated[float, Field(gt=0, le=1)] = Field(
        "all",
        description="whose: `all` cells, those within two of a change of outcome and a sample (`boundary`), or a share of them",
    )
    first_tensor: bool = Field(
        False,
        description="keep beside the rows of a sweep, of each cell in which an infinity or a NaN came, the first tensor that was not finite",
    )


class Config(Settings):
    """One complete training, checked: what `nanmap.load` reads from a config's file.

    >>> config = Config.model_validate({"data": {"kind": "line", "n": 5}, "training": {"epochs": 3}})
    >>> config.optimizer.learning_rate
    0.01
    """

    data: DataSettings
    model: ModelSettings = ModelSettings()
    loss: LossSettings = LossSettings()
    optimizer: OptimizerSettings = OptimizerSettings()
    training: TrainingSettings
    outcome: OutcomeSettings = OutcomeSettings()
    record: RecordSettings = RecordSettings()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        entropy, own = loss_entry(self.loss.kind).of_classes, is_code(self.loss.kind)
        logits = not entropy or self.model.output_activation == "linear"
        require(logits, "model.output_activation", f"{self.loss.kind} takes logits: leave the output linear")
        classes, arrays = self.data.target_kind == "class", self.data.kind in choices.ARRAY_KINDS
        require(
            entropy or own or not classes or arrays,
            "loss.kind",
            f'`{self.loss.kind}` is a loss of numbers, and data.target_kind = "class" asks for classes',
            'loss.kind = "softmax_cross_entropy", or "sigmoid_cross_entropy" for two classes',
        )
        require(
            classes or not entropy or arrays,
            "loss.kind",
            f'`{self.loss.kind}` is a loss of classes, and data.target_kind is "number"',
            'data.target_kind = "class" for labels in a file, or loss.kind = "mse" for numbers',
        )
        # Told before any row is read. Networks of other kinds are asked where the rows are known: `plan/variant.py`.
        require(
            is_own(self.model.kind) or not self.optimizer.group_rates,
            "optimizer.group_rates",
            f"are for a network of your own; a `{self.model.kind}` has layers",
            f"{choices.LAYER_RATES} gives one rate per layer",
        )
        require(
            not (self.optimizer.group_rates and self.optimizer.layer_learning_rates),
            "optimizer.group_rates",
            "and layer_learning_rates are given both",
            "leave one of them out",
        )
        rates, layers = self.optimizer.layer_learning_rates, len(self.model.hidden) + 1
        require(
            self.model.kind != "mlp" or rates is None or len(rates) == layers,
            choices.LAYER_RATES,
            f"one rate per layer: this model has {layers}",
        )
        return self
