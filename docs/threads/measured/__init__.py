"""The figures of the threads' pages: trained from configs/threads (`quick`), counted in the sweeps' rows (`swept`)."""

from measured import keras_line, relu_double, square_sgd, tabular_mlp

THREADS = {module.NAME: module for module in (square_sgd, keras_line, tabular_mlp, relu_double)}
