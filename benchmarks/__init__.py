"""The benchmark: nanmap beside the other ways to train many small networks, interleaved in one run. `make bench`."""
