"""Says which stored segments caused a label, from a file of evidence alone."""
