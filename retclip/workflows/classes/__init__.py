"""Adds classes, by hand or from a fallback data set, and tries what an addition does."""
