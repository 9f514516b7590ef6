"""Files of float16 vectors, each named after its digest."""
