"""Search among stored segments by a vector, under filters."""
