"""Data sets whose annotation is a picture of class numbers."""
