"""Evaluates predictions on an annotated data set."""
