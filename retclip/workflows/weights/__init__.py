"""Brings weights onto this machine, and checks those that are here."""
