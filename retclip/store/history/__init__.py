"""What was ever said of segments and classes, in the order of events, and what holds of it."""
