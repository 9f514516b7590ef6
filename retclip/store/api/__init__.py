"""What may be asked of an open store, a module for each subject."""
