"""References lead somewhere: a section that the code cites exists, decisions are listed, links of the pages work."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Set
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
DECISIONS = sorted((DOCS / "decisions").glob("*.md"))
AT_THE_ROOT = ("CHANGELOG.md", "CONTRIBUTING.md", "README.md", "SECURITY.md")
PAGES = [*sorted(DOCS.rglob("*.md")), *(ROOT / name for name in AT_THE_ROOT)]

NUMBER = r"(?:\d+(?:\.\d+)?|D\d+)"  # a section, or a decision of method.md 7.4
JOINED = r"(?:, | and | to | )"
CITED = re.compile(rf"\b(method|stores)\.md (?:section )?({NUMBER}(?:{JOINED}{NUMBER})*)\b")


def citations(text: str) -> Iterator[tuple[str, str]]:
    """(page, number) of every reference, also of several in one: "method.md 6.1 to 6.3", "method.md 7.4 D5, D6"."""
    for page, numbers in CITED.findall(re.sub(r"\s*\n\s*(?:# )?", " ", text)):
        yield from ((page, number) for number in re.findall(NUMBER, numbers))


@cache
def sections(page: str) -> Set[str]:
    """The numbers of a page's headings, and of the decisions in its tables."""
    text = (DOCS / f"{page}.md").read_text(encoding="utf-8")
    headings = re.findall(r"^#{2,3} (\d+(?:\.\d+)?)\.? ", text, re.MULTILINE)
    return {*headings, *re.findall(r"^\| (D\d+) \|", text, re.MULTILINE)}


def sources() -> list[Path]:
    found = [path for folder in ("retclip", "plugins", "benchmarks") for path in (ROOT / folder).rglob("*.py")]
    return sorted([*found, *DOCS.glob("*.md")])


def test_every_citation_finds_its_section() -> None:
    cited = {
        (page, number, path.relative_to(ROOT).as_posix())
        for path in sources()
        for page, number in citations(path.read_text(encoding="utf-8"))
    }
    assert len(cited) > 80, "the references are spelt in another way, and nothing is checked"
    assert [one for one in sorted(cited) if one[1] not in sections(one[0])] == []


def test_citations_are_read_one_by_one() -> None:
    text = (
        'x = 1  # as (method.md 7.4 D5, D6) says\n"""Boxes (method.md 6.1 to\n6.3); stores.md section 3. method.md 9"""'
    )
    found = list(citations(text))
    assert found[:5] == [("method", "7.4"), ("method", "D5"), ("method", "D6"), ("method", "6.1"), ("method", "6.3")]
    assert found[5:] == [("stores", "3"), ("method", "9")]
    assert not {"7.9", "D21"} & sections("method")


def test_decisions_are_numbered_whole_and_listed() -> None:
    listed = re.findall(r"\]\(decisions/([\w-]+\.md)\)", (DOCS / "architecture.md").read_text(encoding="utf-8"))
    assert listed == [path.name for path in DECISIONS]
    for number, path in enumerate(DECISIONS, start=1):
        text = path.read_text(encoding="utf-8")
        assert path.name.startswith(f"{number:04d}-") and text.startswith(f"# {number}. "), path.name
        parts = re.findall(r"^\*\*(\w+)\.\*\*", text, re.MULTILINE)
        assert parts == ["Context", "Decision", "Consequence"], path.name


def anchors(path: Path) -> Set[str]:
    """The anchors that a page's headings get: lower case, words joined by hyphens, other signs left out."""
    headings = re.findall(r"^#{1,6} (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_to_pages_and_headings(path: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8")):
        if target.startswith(("http:", "https:", "mailto:")):
            continue
        name, _, anchor = target.partition("#")
        page = (path.parent / name).resolve() if name else path
        assert page.exists(), target
        assert not anchor or anchor in anchors(page), f"{target}: no such heading"


@pytest.mark.parametrize("name", ["README.md", "pyproject.toml", "CITATION.cff", "docs/method.md"])
def test_the_paper_is_named(name: str) -> None:
    text = " ".join((ROOT / name).read_text(encoding="utf-8").split()).replace("family-names: ", "")
    for word in ("Open Vocabulary Panoptic Segmentation With Retrieval Augmentation", "2601.12779", "2026"):
        assert word in text, word
    assert re.search(r"Sadeq.*Liu.*El-Khamy", text)


def test_the_citation_is_of_this_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
