"""Labels photos: masks, vectors, neighbours, scores, one map."""
