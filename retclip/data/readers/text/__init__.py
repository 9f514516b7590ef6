"""Data sets that say in words or tables what a photo shows."""
