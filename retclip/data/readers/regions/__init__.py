"""Photos in which somebody marked objects."""
