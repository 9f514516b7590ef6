"""What is stored of photos: segments, their slots, classes and vectors."""
