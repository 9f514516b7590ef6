"""The stored data of photos: segments, their slots, classes and vectors."""
