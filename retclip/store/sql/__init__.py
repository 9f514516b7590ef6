"""The catalog: tables, connections, transactions, checksums of rows."""
