"""Chooses settings of ensemble, vote and merge on scores that were cached in one pass through the models."""
