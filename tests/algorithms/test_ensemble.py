"""The ensemble by hand, against loops in both forms, and what a silent source may and may not do."""

import math
from dataclasses import replace
from itertools import permutations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from retclip.algorithms.ensemble import EnsembleWeights, combine, corrected_void, ensemble, ensembles
from retclip.errors import ConfigError
from retclip.types import ClassScores, Role

RET, CLIP, HEAD = Role.RETRIEVAL, Role.CLIP, Role.IN_VOCABULARY
MASKS, CLASSES = 2, 3
shares = st.integers(0, 8).map(lambda i: i / 8)  # 0 and 1 come often: they are where logarithms and divisors break
flags = st.lists(st.booleans(), min_size=CLASSES, max_size=CLASSES)
matrix = st.lists(st.lists(shares, min_size=CLASSES, max_size=CLASSES), min_size=MASKS, max_size=MASKS)
void = st.one_of(st.none(), st.lists(shares, min_size=MASKS, max_size=MASKS))
sources = st.dictionaries(st.sampled_from([RET, CLIP, HEAD]), st.tuples(matrix, flags, void), min_size=1)
covers = st.lists(st.booleans(), min_size=MASKS, max_size=MASKS)
weights = st.builds(
    EnsembleWeights, shares, shares, shares, st.sampled_from(["arithmetic", "geometric"]),
    st.sampled_from(["fallback", "zero"]), st.booleans(),
)  # fmt: skip


def source(role, values, knows=None, void=None):
    values = torch.tensor(values, dtype=torch.float64)
    knows = torch.ones(values.shape[1], dtype=torch.bool) if knows is None else torch.tensor(knows)
    return ClassScores(values, knows, role, None if void is None else torch.tensor(void, dtype=torch.float64))


def combined(found, seen, weights=None, covered=None):
    weights = weights or EnsembleWeights(renormalise=False)
    covered = None if covered is None else torch.tensor(covered)
    return ensemble(found, torch.tensor(seen), weights, covered)[0].tolist()


def test_the_worked_example():
    found = [source(RET, [[1.0, 1.0]]), source(CLIP, [[0.5, 0.5]]), source(HEAD, [[0.25, 0.25]])]
    # seen: 0.4 * (0.3, 0.7) and 0.6: 0.12 + 0.14 + 0.15 = 0.41; unseen: 0.21 + 0.245 + 0.075 = 0.53
    assert combined(found, [True, False])[0] == pytest.approx([0.41, 0.53])
    # brought to sum 1: over 0.94
    assert combined(found, [True, False], EnsembleWeights())[0] == pytest.approx([0.41 / 0.94, 0.53 / 0.94])
    # without a head s = s_oov = 0.3 + 0.35
    assert combined(found[:2], [True, False])[0] == pytest.approx([0.65, 0.65])


def test_the_geometric_form_by_hand():
    found = [source(CLIP, [[0.25, 0.75]]), source(HEAD, [[1.0, 0.0]], void=[0.5])]
    half = EnsembleWeights(alpha=0.5, beta=0.5, form="geometric")
    # sqrt(0.25 * 1) and sqrt(0.75 * 0): the head vetoes the second class; half the mass is "no object"
    assert combined(found, [True, True], half)[0] == pytest.approx([0.5, 0.0])
    # alpha 0 leaves the head alone; beta 1 leaves CLIP alone, whom the head's 0 must not veto
    assert combined(found, [False, False], EnsembleWeights(beta=1.0, form="geometric"))[0] == pytest.approx(
        [0.125, 0.375]
    )


@pytest.mark.parametrize(
    ("rule", "scores", "rival"),
    [
        ("discount", [0.3, 0.15], 0.4),  # 0.6 of them; 0.4 is above 0.3: no object
        ("apart", [0.3, 0.15], 0.0),  # v is below one half
        ("rival", [0.5, 0.25], 0.4),
        ("ignored", [0.5, 0.25], 0.0),
    ],
)
def test_how_no_object_enters(rule, scores, rival):
    found = [source(CLIP, [[0.5, 0.25]]), source(HEAD, [[0.5, 0.25]], void=[0.4])]
    values, void = ensemble(found, torch.tensor([True, False]), EnsembleWeights(renormalise=False, void=rule))
    assert values[0].tolist() == pytest.approx(scores) and void.tolist() == pytest.approx([rival])


@pytest.mark.parametrize("v", [0.49, 0.51])
def test_apart_a_mask_is_no_object_where_v_is_above_one_half_however_unsure_its_class_is(v):
    found = [source(HEAD, [[0.02, 0.01, 0.01]], void=[v])]
    values, void = ensemble(found, torch.tensor([False] * 3), EnsembleWeights(renormalise=False, void="apart"))
    assert bool(values.max() > void[0]) is (v < 0.5)


def test_a_sure_class_takes_from_no_object():
    # v = 0.6 and a best class of 0.5: 0.6 * (1 - 0.5 * 0.5) = 0.45
    assert corrected_void(torch.tensor([0.6]), torch.tensor([0.5]), 0.5).tolist() == pytest.approx([0.45])
    half = EnsembleWeights(renormalise=False, void_correction=0.5)
    found = [source(CLIP, [[0.5, 0.25]]), source(HEAD, [[0.5, 0.25]], void=[0.6])]
    values, void = ensemble(found, torch.tensor([True, True]), half)
    assert void.tolist() == pytest.approx([0.45]) and values[0].tolist() == pytest.approx([0.275, 0.1375])
    # apart it decides: 0.6 is no object, 0.45 is one
    for correction, rival in ((0.0, 1.0), (0.5, 0.0)):
        how = replace(half, void="apart", void_correction=correction)
        assert ensemble(found, torch.tensor([True, True]), how)[1].tolist() == [rival]


@settings(max_examples=100, deadline=None)
@given(sources, st.sampled_from(["discount", "rival"]), shares, covers)
def test_void_correction_agrees_with_loops(answers, rule, correction, covered):
    """CLIP's best class speaks against "no object", retrieval's where CLIP abstains for the mask, nobody's else."""
    found = [source(role, values, knows, said) for role, (values, knows, said) in answers.items()]
    seen, how = torch.tensor([True, False, True]), EnsembleWeights(renormalise=False, void=rule)
    flags_of = torch.tensor(covered)
    plain, v = ensemble(found, seen, how, flags_of)
    values, now = ensemble(found, seen, replace(how, void_correction=correction), flags_of)
    for n in range(MASKS):
        best = 0.0
        for role in (RET, CLIP):  # the last that says something
            if role in answers and covered[n] and any(answers[role][1]):
                best = max(value for value, knows in zip(answers[role][0][n], answers[role][1], strict=True) if knows)
        wanted = float(v[n]) * (1 - correction * best)
        assert float(now[n]) == pytest.approx(wanted)
        if rule == "rival" or v[n] == 1:
            continue
        assert values[n].tolist() == pytest.approx([x / (1 - float(v[n])) * (1 - wanted) for x in plain[n].tolist()])


def test_an_unknown_class_falls_back_or_is_capped():
    found = [source(RET, [[0.0, 0.5]], knows=[False, True]), source(CLIP, [[0.8, 0.2]])]
    # no segment of class 0 is stored: CLIP alone, 0.8; or literally 0.7 * 0.8 = 0.56
    assert combined(found, [False, False])[0] == pytest.approx([0.8, 0.29])
    zero = EnsembleWeights(unknown="zero", renormalise=False)
    assert combined(found, [False, False], zero)[0] == pytest.approx([0.56, 0.29])


def test_an_uncovered_mask_is_judged_by_the_head_alone():
    found = [source(CLIP, [[math.nan, math.nan], [0.5, 0.5]]), source(HEAD, [[0.75, 0.25]] * 2)]
    for unknown in ("fallback", "zero"):
        for form in ("arithmetic", "geometric"):
            rows = combined(found, [True, False], EnsembleWeights(form=form, unknown=unknown), [False, True])
            assert rows[0] == pytest.approx([0.75, 0.25])
    # without a head there is nobody left to judge it
    assert combined(found[:1], [True, False], None, [False, True]) == [[0.0, 0.0], [0.5, 0.5]]


def test_two_classifiers_of_one_role_share_its_voice():
    found = [source(CLIP, [[0.2, 0.4]], void=[0.5]), source(CLIP, [[0.6, 1.0]], knows=[True, False], void=[0.1])]
    values, void = ensemble(found, torch.tensor([True, True]), EnsembleWeights(renormalise=False))
    # the mean of those that know: 0.4, and 0.4 of the first alone; void is the mean 0.3
    assert void.tolist() == pytest.approx([0.3])
    assert values[0].tolist() == pytest.approx([0.7 * 0.4, 0.7 * 0.4])


def certain(values, certainty, knows):
    return replace(source(RET, values, knows), certainty=torch.tensor(certainty, dtype=torch.float64))


def test_an_uncertain_vote_yields_to_who_knows_a_class_that_the_store_lacks():
    # person is stored, cat is not: labels know cat alone and see one with 0.8
    labels = source(CLIP, [[0.0, 0.8]], knows=[False, True])
    plain, far = source(RET, [[1.0, 0.0]], [True, False]), certain([[1.0, 0.0]], [0.25], [True, False])
    assert combined([plain, labels], [False, False])[0] == pytest.approx([1.0, 0.8])  # drowned
    assert combined([far, labels], [False, False])[0] == pytest.approx([1 - 0.75 * 0.8, 0.8])
    near = certain([[1.0, 0.0]], [1.0], [True, False])
    assert combined([near, labels], [False, False])[0] == pytest.approx([1.0, 0.8])
    assert combined([far], [False, False])[0] == pytest.approx([1.0, 0.0])  # nobody else: it decides as it is


def test_what_is_certainly_stored_is_an_object_whatever_labels_say():
    """Labels take both masks for none of the names; the store is certain of one. v of a head stays as it is."""
    labels = source(CLIP, [[0.1, 0.0], [0.1, 0.0]], void=[0.8, 0.8])
    vote = certain([[1.0, 0.0], [1.0, 0.0]], [0.75, 0.0], [True, True])
    weights, seen = EnsembleWeights(gamma=0.0), torch.tensor([False, False])
    assert ensemble([vote, labels], seen, weights)[1].tolist() == pytest.approx([0.25 * 0.8, 0.8])
    head = source(HEAD, [[0.1, 0.0], [0.1, 0.0]], void=[0.8, 0.8])
    assert ensemble([vote, head], seen, weights)[1].tolist() == pytest.approx([0.8, 0.8])


@settings(max_examples=100, deadline=None)
@given(matrix, flags, matrix, flags, st.lists(shares, min_size=MASKS, max_size=MASKS), shares)
def test_certainty_agrees_with_loops(vote, stored, said, known, certainty, gamma):
    how = EnsembleWeights(gamma=gamma, renormalise=False)
    found = combined([certain(vote, certainty, stored), source(CLIP, said, known)], [False] * CLASSES, how)
    for n, r in enumerate(certainty):
        sure = min(1.0, sum(value for value, knows in zip(said[n], known, strict=True) if knows))
        for c in range(CLASSES):
            mine = vote[n][c] * (1 - (1 - r) * sure) if stored[c] else None
            wanted = mixed(mine, said[n][c] if known[c] else None, r + (1 - r) * gamma) or 0.0
            assert found[n][c] == pytest.approx(wanted)


def shrunk(values, left, knows=None):
    return replace(source(RET, values, knows), shrinkage=torch.tensor(left, dtype=torch.float64))


def test_what_is_left_of_a_vote_weighs_it_by_class():
    # gamma 0.4: half of it for the first class, nothing for the second: 0.2 * 1 + 0.8 * 0.5 = 0.6, and CLIP's 0.5
    found = [shrunk([[1.0, 0.75]], [[0.5, 0.0]]), source(CLIP, [[0.5, 0.5]])]
    half = EnsembleWeights(gamma=0.4, renormalise=False)
    assert combined(found, [False, False], half)[0] == pytest.approx([0.6, 0.5])
    # a vote that stands alone keeps its whole weight: nobody else could have it
    assert combined(found[:1], [False, False], half)[0] == pytest.approx([1.0, 0.75])


@settings(max_examples=100, deadline=None)
@given(matrix, flags, matrix, matrix, shares, st.sampled_from(["fallback", "zero"]))
def test_what_is_left_agrees_with_loops(vote, stored, left, said, gamma, unknown):
    how = EnsembleWeights(gamma=gamma, unknown=unknown, renormalise=False)
    found = combined([shrunk(vote, left, stored), source(CLIP, said)], [False] * CLASSES, how)
    for n in range(MASKS):
        for c in range(CLASSES):
            literal = 0.0 if unknown == "zero" else None
            mine = vote[n][c] if stored[c] else literal
            assert found[n][c] == pytest.approx(mixed(mine, said[n][c], gamma * left[n][c]))


def mixed(a, b, weight):
    """Two sources, either of which may be silent (None)."""
    if a is None or b is None:
        return b if a is None else a
    return weight * a + (1 - weight) * b


def slow_cell(told, seen, covered, how):
    """told: role -> value, None where the role is silent about this class; a role that nobody plays is not in it."""
    if how.unknown == "zero":
        told = {role: value or 0.0 for role, value in told.items()}
    oov = mixed(told.get(RET), told.get(CLIP), how.gamma) if covered else None
    head = told.get(HEAD)
    w = how.alpha if seen else how.beta
    if how.form == "arithmetic" or oov is None or head is None:
        return mixed(oov, head, w) or 0.0
    return head ** (1 - w) * oov**w  # soft-max of logarithms = products over their sum; 0 ** 0 is 1 here


def slow_ensemble(found, seen, how, covered):
    """Cell by cell. A role is played where its classifier is there, whether or not that knows anything."""
    rows = []
    for n in range(MASKS):
        told = [{o.role: o.values[n, c].item() if o.knows[c] else None for o in found} for c in range(CLASSES)]
        row = [slow_cell(told[c], seen[c], covered[n], how) for c in range(CLASSES)]
        total = sum(row) if how.form == "geometric" or how.renormalise else 1.0
        voids = [one.void[n].item() for one in found if one.void is not None]
        solid = 1 - sum(voids) / len(voids) if voids else 1.0
        rows.append([solid * one / total if total else 0.0 for one in row])
    return rows


@settings(max_examples=100, deadline=None)
@given(sources, flags, weights, covers)
def test_agrees_with_loops(told, seen, how, covered):
    found = [source(role, *one) for role, one in told.items()]
    before = [(one.values.clone(), one.knows.clone()) for one in found]
    assert combined(found, seen, how, covered) == [
        pytest.approx(row) for row in slow_ensemble(found, seen, how, covered)
    ]
    for one, (values, knows) in zip(found, before, strict=True):
        assert torch.equal(one.values, values) and torch.equal(one.knows, knows)


@settings(max_examples=60, deadline=None)
@given(sources, flags, weights, covers)
def test_rows_sum_to_what_is_left_of_void_and_the_order_of_sources_is_no_matter(told, seen, how, covered):
    found = [source(role, *one) for role, one in told.items()]
    values, void = ensemble(found, torch.tensor(seen), how, torch.tensor(covered))
    assert torch.isfinite(values).all() and (values >= 0).all() and (values <= 1 + 1e-9).all()
    for row, missing in zip(values, void, strict=True):
        if row.sum() > 0 and (how.renormalise or how.form == "geometric"):
            assert row.sum().item() == pytest.approx(1 - missing.item())
    for order in permutations(found):
        torch.testing.assert_close(ensemble(order, torch.tensor(seen), how, torch.tensor(covered))[0], values)


@settings(max_examples=60, deadline=None)
@given(matrix, matrix, matrix, flags, st.sampled_from(["arithmetic", "geometric"]))
def test_extreme_weights_leave_one_source(ret, clip, head, seen, form):
    found = [source(RET, ret), source(CLIP, clip), source(HEAD, head)]
    for alone, w, gamma in ((0, 1.0, 1.0), (1, 1.0, 0.0), (2, 0.0, 0.5)):
        rows = combined(found, seen, EnsembleWeights(w, w, gamma, form))
        for row, wanted in zip(rows, found[alone].values.tolist(), strict=True):
            total = sum(wanted) or 1.0
            assert row == pytest.approx([one / total for one in wanted])


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([RET, CLIP, HEAD]), matrix, flags, weights)
def test_a_source_alone_is_not_weighed(role, values, seen, how):
    """A role that nobody plays drops out in every form: its weight must not bend the classes of those who do."""
    one = source(role, values)
    for row, wanted in zip(combined([one], seen, how), values, strict=True):
        total = sum(wanted) if how.renormalise or how.form == "geometric" else 1.0
        assert row == pytest.approx([one / (total or 1.0) for one in wanted])


def test_no_mask_gives_no_row():
    nothing = ClassScores(torch.zeros(0, 2), torch.ones(2, dtype=torch.bool), CLIP)
    values, void = ensemble([nothing], torch.tensor([True, False]), EnsembleWeights())
    assert values.shape == (0, 2) and void.shape == (0,)


def test_a_source_that_cannot_say_anything_about_a_mask_leaves_it_to_the_others():
    """No neighbour in reach: CLIP alone decides, also between classes that the store holds and those it does not."""
    silent = ClassScores(torch.zeros(2, 2), torch.tensor([True, False]), RET, speaks=torch.tensor([False, True]))
    clip = source(CLIP, [[0.55, 0.45], [0.55, 0.45]])
    first, second = combined([silent, clip], [False, False])
    assert first == pytest.approx([0.55, 0.45])
    assert second == pytest.approx([0.7 * 0.55, 0.45]), "here it spoke, and said 0 of the class it knows"
    literal = EnsembleWeights(unknown="zero", renormalise=False)
    assert combined([silent, clip], [False, False], literal)[0] == pytest.approx([0.7 * 0.55, 0.7 * 0.45])


@pytest.mark.parametrize("form", ["arithmetic", "geometric"])
def test_rounding_outside_the_range_changes_nothing(form):
    weights = EnsembleWeights(form=form)
    clip, head = source(CLIP, [[0.0, 1.0]]), source(HEAD, [[0.1, 0.9]], void=[0.0])
    off = source(CLIP, [[-1e-7, 1.0 + 1e-7]]), source(HEAD, [[0.1, 0.9]], void=[-1e-7])
    assert combined(off, [True, True], weights) == combined([clip, head], [True, True], weights)


def test_the_answer_does_not_hang_on_which_source_comes_first():
    rough = ClassScores(torch.tensor([[0.3, 0.7]], dtype=torch.bfloat16), torch.ones(2, dtype=torch.bool), CLIP)
    fine = ClassScores(torch.tensor([[0.31, 0.69]]), torch.ones(2, dtype=torch.bool), HEAD)
    answers = [
        ensemble(pair, torch.tensor([True, False]), EnsembleWeights())[0] for pair in ([rough, fine], [fine, rough])
    ]
    assert torch.equal(*answers) and answers[0].dtype == torch.float32


speaking = st.lists(st.booleans(), min_size=MASKS, max_size=MASKS)
heard = st.dictionaries(st.sampled_from([RET, CLIP, HEAD]), st.tuples(matrix, flags, void, speaking), min_size=1)


def one_mask(found, n):
    """The same classifiers in an image that has only mask n."""
    part = slice(n, n + 1)
    return [
        replace(s, values=s.values[part], void=None if s.void is None else s.void[part], speaks=s.speaks[part])
        for s in found
    ]


@settings(max_examples=200, deadline=None)
@given(heard, flags, weights, covers)
def test_a_mask_scores_the_same_alone_and_in_company(told, seen, how, covered):
    """Also where no mask of the image has a neighbour, or none is covered: the classifier is there all the same."""
    found = [replace(source(role, *s), speaks=torch.tensor(speaks)) for role, (*s, speaks) in told.items()]
    together, void = ensemble(found, torch.tensor(seen), how, torch.tensor(covered))
    for n in range(MASKS):
        alone, gone = ensemble(one_mask(found, n), torch.tensor(seen), how, torch.tensor(covered[n : n + 1]))
        assert torch.equal(alone[0], together[n]) and torch.equal(gone[0], void[n])


def test_the_literal_formula_does_not_drop_a_classifier_that_is_there():
    """By hand: no mask has a neighbour, so s_ret is 0, and 0.3 * 0 + 0.7 * s_clip is left; not s_clip."""
    silent = replace(source(RET, [[0.0, 0.0]]), speaks=torch.tensor([False]))
    clip, head = source(CLIP, [[0.6, 0.4]]), source(HEAD, [[0.5, 0.5]])
    literal = EnsembleWeights(unknown="zero", renormalise=False)
    assert combined([silent, clip], [False, False], literal)[0] == pytest.approx([0.42, 0.28])
    # seen: 0.4 * 0.42 + 0.6 * 0.5; unseen: 0.7 * 0.28 + 0.3 * 0.5
    assert combined([silent, clip, head], [True, False], literal)[0] == pytest.approx([0.468, 0.346])
    # a store without any of the classes says 0 as well
    empty = source(RET, [[0.0, 0.0]], knows=[False, False])
    assert combined([empty, clip, head], [True, False], literal)[0] == pytest.approx([0.468, 0.346])
    # while nobody who could say is not the same as a classifier that says nothing
    assert combined([clip, head], [True, False], literal)[0] == pytest.approx([0.54, 0.43])


def test_the_formula_alone():
    """s_oov = 0.3 * 1 + 0.7 * 0.5 = 0.65; arithmetic 0.4 * 0.65 + 0.6 * 0.25 = 0.41 and 0.7 * 0.65 + 0.3 * 0.25 = 0.53;
    geometric 0.65^w 0.25^(1 - w) over the sum of both."""
    ret, clip, head = (torch.full((1, 2), value, dtype=torch.float64) for value in (1.0, 0.5, 0.25))
    w, gamma = torch.tensor([0.4, 0.7], dtype=torch.float64), torch.tensor(0.3, dtype=torch.float64)
    assert combine(ret, clip, head, w, gamma)[0].tolist() == pytest.approx([0.41, 0.53])
    powers = [0.65**0.4 * 0.25**0.6, 0.65**0.7 * 0.25**0.3]
    wanted = [power / sum(powers) for power in powers]
    assert combine(ret, clip, head, w, gamma, "geometric")[0].tolist() == pytest.approx(wanted)


@settings(max_examples=60, deadline=None)
@given(*[st.floats(0, 1)] * 6, st.booleans())
def test_the_weights_are_as_exact_as_the_scores(ret, clip, head, alpha, beta, gamma, is_seen):
    """float64 scores get float64 weights: 0.4 by way of float32 is 0.4000000059604645."""
    found = [source(RET, [[ret]]), source(CLIP, [[clip]]), source(HEAD, [[head]])]
    how = EnsembleWeights(alpha, beta, gamma, renormalise=False)
    w = alpha if is_seen else beta
    exact = w * (gamma * ret + (1 - gamma) * clip) + (1 - w) * head
    assert combined(found, [is_seen], how)[0][0] == pytest.approx(exact, rel=1e-14, abs=1e-300)


@pytest.mark.parametrize(
    "wrong", [{"form": "Arithmetic"}, {"form": "mean"}, {"unknown": "Zero"}, {"unknown": "drop"}, {"form": ""}]
)
def test_a_formula_that_does_not_exist_is_refused(unhooked, wrong):
    """Before, "Arithmetic" was arithmetic without renormalising, and "drop" was fallback."""
    module = unhooked("ensemble")
    (name, word), *_ = wrong.items()
    with pytest.raises(ConfigError, match=f"ensemble.{name} to be one of .*; got '{word}'"):
        module.EnsembleWeights(**wrong)
    if name == "form":
        one = torch.ones(1, 1)
        with pytest.raises(ConfigError, match="arithmetic, geometric"):
            module.combine(one, one, one, one, one, word)


@pytest.mark.parametrize("rule", ["discount", "apart", "rival", "ignored"])
@pytest.mark.parametrize("form", ["arithmetic", "geometric"])
def test_many_weights_at_once_are_each_alone_to_the_last_bit(form, rule):
    torch.manual_seed(4)
    values = torch.rand(3, 7, 219).softmax(dim=-1)
    certainty, speaks = torch.rand(7), torch.rand(7) > 0.3
    found = [
        ClassScores(
            values[0], torch.rand(219) > 0.2, RET, speaks=speaks, certainty=certainty, shrinkage=torch.rand(7, 219)
        ),
        ClassScores(values[1], torch.ones(219, dtype=torch.bool), CLIP),
        ClassScores(values[2], torch.ones(219, dtype=torch.bool), HEAD, torch.rand(7)),
    ]
    seen, covered = torch.rand(219) > 0.5, torch.tensor([True] * 6 + [False])
    rules = {"form": form, "void": rule, "void_correction": 0.5}
    many = [EnsembleWeights(*numbers, **rules) for numbers in torch.rand(40, 3).tolist()]
    together, void = ensembles(found, seen, many, covered)
    for each, rows in zip(many, together, strict=True):
        alone, alone_void = ensemble(found, seen, each, covered)
        assert torch.equal(rows, alone) and torch.equal(void, alone_void)


def test_weights_of_two_rules_are_not_combined_at_once():
    found = [source(CLIP, [[0.5, 0.5]])]
    with pytest.raises(ConfigError, match="one form and one rule"):
        ensembles(found, torch.tensor([True, True]), [EnsembleWeights(), EnsembleWeights(void="rival")])
    with pytest.raises(ConfigError, match="one form and one rule"):
        ensembles(found, torch.tensor([True, True]), [EnsembleWeights(), EnsembleWeights(form="geometric")])
    with pytest.raises(ConfigError, match="one form and one rule"):
        ensembles(found, torch.tensor([True, True]), [EnsembleWeights(), EnsembleWeights(void_correction=0.5)])
