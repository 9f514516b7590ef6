"""The methods of an open store, a module for each subject."""
