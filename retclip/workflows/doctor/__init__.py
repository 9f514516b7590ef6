"""Compares what is installed and what a store holds, and says how to mend it."""
