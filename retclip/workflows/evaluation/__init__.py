"""Counts how right answers are over a labelled data set."""
