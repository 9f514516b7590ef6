"""Open Images: its tables of labels, boxes and masks."""
