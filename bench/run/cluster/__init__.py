"""Cells on many machines: Dask distributed carries them, and its jobs of Slurm, PBS or LSF are workers."""
