"""ADE20K, as scene parsing of 150 classes and with all its objects."""
