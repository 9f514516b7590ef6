"""The tables of the catalog, version by version, as alembic runs them."""
