"""Tries to break the benchmark: inputs that nobody should give it, and what it makes of them."""
