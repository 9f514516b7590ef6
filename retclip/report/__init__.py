"""Answers for people: overlays, pages, tables and curves."""
