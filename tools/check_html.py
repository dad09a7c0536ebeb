"""Check the built pages: complete, readable offline, and described in words.

    python tools/check_html.py _build/html

Nothing is loaded from the network; links, anchors and files exist; pictures and figures have a
description; figures can be drawn; and every executed chapter shows the outputs of its cells.
"""

import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
from bs4 import BeautifulSoup
from notebooks import BOOK, chapters

# Sphinx writes these pages; their links to pages that were not built are its own affair.
GENERATED = {"genindex.html", "search.html", "py-modindex.html"}
HIDDEN = {"remove-cell", "remove-output", "remove_cell", "remove_output"}


class Pages:
    """All pages below one folder, parsed."""

    def __init__(self, root: Path):
        self.root = root.resolve()
        files = [p for p in self.root.rglob("*.html") if not self._is_asset(p)]
        self.soup = {p: BeautifulSoup(p.read_text(encoding="utf8"), "html.parser") for p in files}
        self.anchors = {p: {tag["id"] for tag in s.find_all(id=True)} for p, s in self.soup.items()}

    def _is_asset(self, path: Path) -> bool:
        return path.relative_to(self.root).parts[0] in ("_static", "_sources")

    def target(self, page: Path, address: str) -> Path:
        """The file that an address on a page leads to."""
        path = unquote(urlsplit(address).path)
        return (page.parent / path).resolve() if path else page


def is_outside(address: str) -> bool:
    """Whether an address needs the network."""
    return address.startswith(("http:", "https:", "//"))


def check_loads(pages: Pages, page: Path):
    """Scripts, styles and pictures are files of the book."""
    soup = pages.soup[page]
    tags = soup.find_all(["script", "iframe", "img", "source", "video"], src=True)
    addresses = [tag["src"] for tag in tags]
    for tag in soup.find_all("link", href=True):
        if not {"canonical", "search", "next", "prev"} & set(tag.get("rel", [])):
            addresses.append(tag["href"])
    for address in addresses:
        if is_outside(address):
            yield f"loads {address} from the network"
        elif not address.startswith("data:") and not pages.target(page, address).exists():
            yield f"loads {address}, which does not exist"


def check_links(pages: Pages, page: Path):
    """Links and anchors inside the book lead somewhere."""
    if page.name in GENERATED:
        return
    for tag in pages.soup[page].find_all("a", href=True):
        address = urlsplit(tag["href"])
        if address.scheme or address.netloc:
            continue
        target = pages.target(page, tag["href"])
        if not target.exists():
            yield f"links to {tag['href']}, which does not exist"
        elif unquote(address.fragment) not in {"", *pages.anchors.get(target, [])}:
            yield f"links to {tag['href']}, but there is no such anchor"


def check_descriptions(pages: Pages, page: Path):
    """Pictures and figures are described in words, and figures have what draws them."""
    soup = pages.soup[page]
    for tag in soup.select("article img"):
        alt = tag.get("alt", "")
        if not alt or "/" in alt or alt.endswith((".png", ".svg", ".jpg")):
            yield f"shows {tag.get('src')} without a description (alt is {alt!r})"
    figures = soup.select("div.plotly-book")
    for number, tag in enumerate(figures, start=1):
        if not tag.get("aria-label"):
            yield f"plotly figure {number} has no description (layout.meta.alt)"
    scripts = " ".join(tag["src"] for tag in soup.find_all("script", src=True))
    needed = ["plotly.min.js", "plotly-book.js"] if figures else []
    needed += ["tex-svg"] if soup.select("article .math") else []
    yield from (f"does not load {name}" for name in needed if name not in scripts)
    if soup.select('script[type*="jupyter.widget-view"]'):
        yield "contains a live widget, which no page can run"


def check_outputs(pages: Pages, source: Path):
    """An executed chapter shows an output for every cell that has one in its reference."""
    page = pages.root / "book" / f"{source.stem}.html"
    reference = source.with_suffix(".ipynb")
    if page not in pages.soup:
        yield "was not built"
        return
    if not reference.exists():
        yield f"has no reference notebook {reference.name}"
        return
    cells = [c for c in nbformat.read(reference, 4).cells if c.cell_type == "code" and c.outputs]
    tags = [set(cell.metadata.get("tags", [])) for cell in cells]
    expected = sum(not (HIDDEN & t) for t in tags)
    shown = len(pages.soup[page].select("div.cell_output"))
    if shown < expected or not shown:
        yield f"shows {shown} outputs; its reference has {expected}"
    raising = sum("raises-exception" in t for t in tags)
    tracebacks = len(pages.soup[page].select(".output.traceback"))
    if tracebacks > raising:
        yield f"shows {tracebacks} errors; {raising} are intended"


def problems(root: Path, sources: list[Path]) -> list[str]:
    """Every problem of the built pages, one line each."""
    pages = Pages(root)
    found = [] if pages.soup else [f"{root} has no pages"]
    for page in pages.soup:
        name = page.relative_to(pages.root)
        for check in (check_loads, check_links, check_descriptions):
            found += [f"{name}: {problem}" for problem in check(pages, page)]
    for source in sources:
        found += [f"{source.name}: {problem}" for problem in check_outputs(pages, source)]
    return sorted(set(found))


def main() -> int:
    """Run the command line; return its exit status."""
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else BOOK.parent / "_build" / "html"
    found = problems(root, chapters())
    pages = len(list(root.glob("book/*.html")))
    print("\n".join(found) or f"{pages} pages: complete, offline, described")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
