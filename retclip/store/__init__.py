"""The feature store: SQL and a float16 archive are the truth, indexes follow them."""
