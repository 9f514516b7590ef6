"""Photos, class lists and data sets as they come in, and panoptic maps as they go out."""
