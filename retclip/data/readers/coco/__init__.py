"""Data sets in COCO's JSON, and LVIS."""
