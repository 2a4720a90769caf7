"""Metrics, the scorer of a cell, and the score that needs no reference."""
