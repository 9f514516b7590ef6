"""The beginning of a source."""

import pytest

from retclip.plugin.contracts import SourceClass, SourceImage
from retclip.workflows.training.first_images import FirstImages


class Source:
    name = "many"

    def classes(self):
        return [SourceClass("car")]

    def images(self):
        return (SourceImage(str(n), "", None, None) for n in range(5))

    def __len__(self):
        return 5


@pytest.mark.parametrize(("count", "wanted"), [(1, 1), (3, 3), (5, 5), (9, 5)])
def test_the_first_so_many_in_order(count, wanted):
    found = FirstImages(Source(), count)
    assert [one.external_id for one in found.images()] == [str(n) for n in range(wanted)]
    assert len(found) == wanted and found.name == "many" and found.classes() == [SourceClass("car")]
