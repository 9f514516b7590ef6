"""Nearest neighbours: three kinds of index, and how each is kept true."""
