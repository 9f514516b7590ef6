"""The figures of an evaluation as tables and pages name them."""

TITLES = {
    "pq": "PQ", "sq": "SQ", "rq": "RQ", "map": "mAP", "miou": "mIoU", "fwiou": "FWIoU", "boundary_iou": "boundary IoU",
    "pixel_accuracy": "pixel accuracy", "iou": "IoU",
}  # fmt: skip
COLUMNS = {key: TITLES[key] for key in ("pq", "sq", "rq", "map", "miou", "fwiou", "boundary_iou")}  # of a group's row
COSTS = {key: TITLES[key] for key in ("pq", "miou")}  # that tell what a part of the system costs
