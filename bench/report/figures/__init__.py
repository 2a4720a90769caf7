"""Figures of a report, drawn with matplotlib: one file a kind, and the styles of all figures."""
