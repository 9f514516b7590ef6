"""`retclip reproduce`: the paper's tables as facts, and the runs that fill them. Read next: `published.py`."""
