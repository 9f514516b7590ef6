"""Classes exchanged between stores: exported into class files, imported from them, without a photo."""
