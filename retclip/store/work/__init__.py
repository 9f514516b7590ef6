"""Runs, units, leases, and the outbox that indexes follow."""
