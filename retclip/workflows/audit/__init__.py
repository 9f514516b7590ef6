"""Questions to a store about itself: which labels, photos and segments to look at."""
