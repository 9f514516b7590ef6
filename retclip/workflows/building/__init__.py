"""Fills a store with labelled segments, and adds vectors of further backbones."""
