"""Rows on disk: their columns, the run folder, its manifest. Needs no JAX."""
