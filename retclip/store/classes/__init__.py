"""Changes of classes and decisions about names, each an event that can be undone."""
