"""Class files: segments of classes with labels, vectors and provenance, without photos, for other stores to read."""
