"""What classifiers read of a store: of several together the most of each."""

from types import SimpleNamespace

from retclip.workflows.segment.neighbour_wants import NeighbourWants


def test_several_classifiers_want_what_each_of_them_wants():
    vote = SimpleNamespace(neighbours_per_class=3, reads_trust=True)
    layer = SimpleNamespace(reads_vectors=True, neighbours_per_class=1)
    means = SimpleNamespace(prototypes_per_class=2)
    assert NeighbourWants.of([vote, layer, means, object()]) == NeighbourWants(3, True, True, 2)
    assert NeighbourWants.of([vote]) == NeighbourWants(3, True, False, 0)
    assert NeighbourWants.of([]) == NeighbourWants(0, False, False, 0)
