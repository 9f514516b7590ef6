"""Oracles on images whose figures are known by hand: two halves with the labels that a table says."""

import numpy as np
import pytest
import torch

from retclip.errors import ConfigError
from retclip.types import ClassScores, Image, MaskProposals, PanopticSegmentation, Role, SegmentInfo
from retclip.workflows.evaluation.evaluate import Evaluator
from retclip.workflows.evaluation.merge_parts import merge_parts
from retclip.workflows.evaluation.oracle import EACH, Oracle, oracles_of
from retclip.workflows.evaluation.oracle_answers import Oracles
from retclip.workflows.evaluation.run_folder import Part

RIGHT = [[1.0, 0, 0, 0], [0, 1.0, 0, 0]]  # over sky, grass, car, sand
ALL_SKY = [[1.0, 0, 0, 0], [1.0, 0, 0, 0]]


def evaluator(kit, images, answer, values, *names, classifier=None, **more):
    parts = kit.parts(None, answer, [classifier or kit.Classifier(values, **more)])
    true = kit.loaded("stub.truth", kit.Proposer(kit.annotated), provides=("annotation",))
    return Evaluator(parts, kit.Source(images), oracles=Oracles(oracles_of(names), true))


def judged(kit, images, answer, values, *names, **more):
    walk = evaluator(kit, images, answer, values, *names, **more)
    assert len(list(walk.judged())) == len(images)
    return walk.evaluation()


def gains(evaluation, figure="pq"):
    return {one.oracle: (one.gains["all"][figure].value, one.gains["all"][figure].points) for one in evaluation.oracles}


def test_the_names_of_oracles():
    assert oracles_of(["all"]) == EACH
    assert oracles_of(["labels, masks", "masks"]) == (Oracle(masks=True), Oracle(labels=True))
    assert oracles_of(["selection + labels"]) == (Oracle(labels=True, selection=True),)
    assert [one.name for one in EACH] == ["masks", "labels", "selection", "masks+labels", "labels+selection"]
    with pytest.raises(ConfigError, match="'mask'; name some of masks, labels"):
        oracles_of(["mask"])


def thirds(image, _):
    """The first two thirds, and the last."""
    masks = torch.zeros(2, *image.size)
    masks[0, :, : 2 * image.size[1] // 3], masks[1, :, 2 * image.size[1] // 3 :] = 1, 1
    return MaskProposals(masks, torch.ones(2), image.size)


def test_right_answers_leave_nothing_to_gain(kit):
    found = judged(kit, [kit.picture()], kit.annotated, RIGHT, "all")
    assert gains(found) == dict.fromkeys((one.name for one in EACH), (100, 0))
    assert gains(found, "miou") == dict.fromkeys((one.name for one in EACH), (100, 0))


def test_wrong_labels_on_true_masks(kit):
    found = judged(kit, [kit.picture()], kit.annotated, ALL_SKY, "all")
    assert (found.pq, found.miou) == (0, 25)
    of = gains(found)
    assert of["masks"] == (0, 0), "the masks are right already"
    assert of["labels"] == of["masks+labels"] == of["labels+selection"] == (100, 100)
    assert of["selection"] == (50, 50), "the left mask alone is a right sky; grass has none"
    assert gains(found, "miou") == {
        "masks": (25, 0), "labels": (100, 75), "selection": (50, 25), "masks+labels": (100, 75),
        "labels+selection": (100, 75),
    }  # fmt: skip


def test_wrong_masks_with_right_labels(kit):
    # sky: 12 of 24 columns, predicted 16: IoU 12 / 16; grass: predicted 8 of its 12: IoU 8 / 12
    found = judged(kit, [kit.picture()], thirds, RIGHT, "masks", "labels", "selection")
    assert found.pq == pytest.approx(100 * (12 / 16 + 8 / 12) / 2)
    assert gains(found) == {
        "masks": (100, pytest.approx(100 - found.pq)), "labels": (found.pq, 0), "selection": (found.pq, 0),
    }  # fmt: skip


def test_a_choice_that_the_merge_gets_wrong(kit):
    """A mask over everything outscores the two halves: nothing matches, though both halves were proposed."""

    def halves_and_all(image, _):
        masks = torch.ones(3, *image.size)
        masks[0, :, image.size[1] // 2 :] = masks[1, :, : image.size[1] // 2] = 0
        return MaskProposals(masks, torch.ones(3), image.size)

    values = [[0.6, 0, 0.4, 0], [0, 0.6, 0.4, 0], [0, 0, 0, 1.0]]
    found = judged(kit, [kit.picture()], halves_and_all, values, "selection", "labels", "masks+labels")
    assert (found.pq, found.miou) == (0, 0)
    assert gains(found)["selection"] == (pytest.approx(100), pytest.approx(100))
    assert gains(found)["masks+labels"] == (100, 100)
    assert gains(found)["labels"][0] == 0, "the large mask still wins every pixel"
    assert gains(found, "miou")["selection"] == (100, 100)


def test_true_masks_are_always_objects(kit):
    void = torch.tensor([0.9, 0.9])
    found = judged(kit, [kit.picture()], kit.annotated, RIGHT, "masks", "labels", void=void)
    assert found.pq == 0, "both masks are said to be no object"
    assert gains(found) == {"masks": (100, 100), "labels": (0, 0)}


def test_a_mask_of_void_keeps_our_label(kit):
    image = kit.picture()
    half = PanopticSegmentation(image.truth.label_map * (image.truth.label_map == 1), image.truth.segments[:1])
    partly = Image(image.pixels, image.sha256, image.uri, half)
    found = judged(kit, [partly], lambda _, names: kit.annotated(image, names), ALL_SKY, "labels")
    assert gains(found)["labels"] == (found.pq, 0)


class ReadsEmbeddings:
    """An in-vocabulary classifier: the embedding is the row of scores."""

    role, trained_on = Role.IN_VOCABULARY, ("sky",)

    def score(self, proposals, segments, vocabulary, neighbours):
        return ClassScores(proposals.embeddings, torch.ones(len(vocabulary), dtype=torch.bool), self.role)


def test_true_masks_borrow_the_embedding_of_the_mask_that_overlaps_most(kit):
    def proposed(image, _):
        masks = thirds(image, _).masks
        return MaskProposals(masks, torch.ones(2), image.size, embeddings=torch.tensor(RIGHT))

    found = judged(kit, [kit.picture()], proposed, None, "masks", classifier=ReadsEmbeddings())
    assert gains(found)["masks"][0] == 100
    assert set(found.oracles[0].gains) == {"all", "seen", "unseen"}


def test_prompts_of_the_annotation_do_not_leak_into_true_masks(kit):
    table = kit.Classifier(ALL_SKY)
    judged(kit, [kit.picture()], kit.annotated, None, "masks", classifier=table)
    assert table.seen[0].prompts is None


def test_the_whole_tree_is_there_to_choose_from(kit):
    """Two leaves and their parent: the cut takes the parent, the perfect choice the leaves."""

    def tree(image, _):
        masks = torch.ones(3, *image.size)
        masks[0, :, image.size[1] // 2 :] = masks[1, :, : image.size[1] // 2] = 0
        parents = torch.tensor([2, 2, -1])
        return MaskProposals(masks, torch.ones(3), image.size, parents=parents)

    values = [[0.5, 0, 0, 0], [0, 0.5, 0, 0], [0, 0, 0, 1.0]]
    parts = kit.parts(kit.StoredNames(), tree, [kit.Classifier(values)])
    settings = parts.settings.model_copy(
        update={"segment": parts.settings.segment.model_copy(update={"own_scores": 1.0, "mask_cost": 0.5})}
    )
    parts = kit.parts(kit.StoredNames(), tree, [kit.Classifier(values)], settings)
    true = kit.loaded("stub.truth", kit.Proposer(kit.annotated))
    walk = Evaluator(parts, kit.Source([kit.picture()]), oracles=Oracles(oracles_of(["selection"]), true))
    assert len(list(walk.judged())) == 1
    found = walk.evaluation()
    assert (found.pq, gains(found)["selection"]) == (0, (100, 100))


def test_touching_things_stay_apart_where_both_were_proposed(kit):
    label_map = np.repeat(np.array([[1] * 12 + [2] * 12], dtype=np.int32), 16, axis=0)
    image = kit.picture("car", "car")
    truth = PanopticSegmentation(label_map, (SegmentInfo(1, "car", True, 192), SegmentInfo(2, "car", True, 192)))
    cars = Image(image.pixels, image.sha256, image.uri, truth)
    values = [[0, 0, 1.0, 0], [0, 0, 1.0, 0]]
    found = judged(kit, [cars], lambda _, names: kit.annotated(cars, names), values, "selection", "masks")
    assert gains(found) == {"selection": (100, 0), "masks": (100, 0)}
    assert found.map == pytest.approx(100)


def test_kept_resumed_and_merged_the_figures_are_the_same(kit, tmp_path):
    images = [kit.picture(seed=n) for n in range(3)] + [kit.picture("sky", "sand"), kit.picture("car", "grass")]
    made = lambda: evaluator(kit, images, thirds, RIGHT, "all")  # noqa: E731
    whole = made()
    list(whole.judged())
    kept = made()
    kept.record_in(tmp_path / "all", "listed:")
    walk = kept.judged()
    next(walk), next(walk)  # stopped behind the second
    counts = tmp_path / "all" / "oracles" / "labels" / "counts.jsonl"
    lines = counts.read_bytes().splitlines(keepends=True)
    counts.write_bytes(b"".join(lines[:-1]))  # the oracle's last line is not there yet
    again = made()
    again.record_in(tmp_path / "all", "listed:")
    assert [one.number for one in again.judged()] == [1, 2, 3, 4], "what an oracle lacks is judged again"
    assert again.evaluation().as_dict() == whole.evaluation().as_dict()
    for index in (1, 2):
        part = made()
        run = part.record_in(tmp_path / f"part{index}", "listed:", Part(index, 2))
        list(part.judged())
        run.write(part.evaluation())
    merged, absent = merge_parts([tmp_path / "part1", tmp_path / "part2"])
    assert absent == 0 and merged.as_dict()["oracles"] == whole.evaluation().as_dict()["oracles"]
