"""The version of core and plugins: a leaf, so that whoever notes it down imports nothing else."""

__version__ = "0.1.0"
