"""Networks: what one is to the rest of nanmap (`base`), and those there are. The static side imports no JAX."""
