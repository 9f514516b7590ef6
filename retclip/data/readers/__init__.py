"""One reader for each form of data set, one folder for each family of forms."""
