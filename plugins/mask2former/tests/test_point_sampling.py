"""Points of masks: bilinear by hand, and the least sure ones chosen."""

import torch
from retclip_mask2former.point_sampling import at_points, drawn_from, uncertain_points


def test_bilinear_between_cell_centres_and_nothing_outside():
    grid = torch.tensor([[[0.0, 1.0], [2.0, 3.0]]])  # centres at 0.25 and 0.75
    places = {
        (0.25, 0.25): 0.0,
        (0.75, 0.25): 1.0,
        (0.5, 0.5): 1.5,
        (0.25, 0.5): 1.0,
        (0.75, 1.0): 1.5,
        (0.0, 0.0): 0.0,
    }
    points = torch.tensor([list(places)])
    assert torch.allclose(at_points(grid, points), torch.tensor([list(places.values())]))
    many = at_points(torch.randn(3, 5, 7), torch.rand(3, 11, 2))
    assert many.shape == (3, 11)


def test_the_share_of_least_sure_candidates_and_the_rest_at_random():
    """A ramp from -3.5 to 3.5 across 8 columns is 0 in the middle: of 9 candidates the 3 nearest to it are kept."""
    ramp = torch.arange(-3.5, 4.0)[None, None].expand(1, 4, 8)
    candidates = torch.tensor([[[0.1 * n, 0.5] for n in range(1, 10)]])
    rest = torch.tensor([[[0.0, 0.125]]])
    calls = []

    def draw(shape):
        calls.append(shape)
        return candidates if len(calls) == 1 else rest

    found = uncertain_points(ramp, draw, 4, 2.25, 0.75)
    assert calls == [(1, 9, 2), (1, 1, 2)]
    assert {round(x, 3) for x in found[0, :3, 0].tolist()} == {0.4, 0.5, 0.6}
    assert found[0, 3].tolist() == [0.0, 0.125]


def test_without_a_rest_nothing_more_is_drawn_and_no_gradient_flows():
    logits = torch.randn(2, 4, 4, requires_grad=True)
    calls = []

    def draw(shape):
        calls.append(shape)
        return torch.rand(shape)

    found = uncertain_points(logits, draw, 6, 3.0, 1.0)
    assert calls == [(2, 18, 2)] and found.shape == (2, 6, 2) and not found.requires_grad


def test_a_generator_gives_the_same_points_again():
    first, second = (drawn_from(torch.Generator().manual_seed(4))((2, 3)) for _ in range(2))
    assert torch.equal(first, second) and float(first.min()) >= 0 and float(first.max()) < 1
