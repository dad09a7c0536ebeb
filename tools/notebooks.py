"""Keep each chapter's reference notebook (book/*.ipynb) in step with its source (book/*.md).

python tools/notebooks.py update [CHAPTER ...]   run the chapters, rewrite their references
python tools/notebooks.py check [CHAPTER ...]    fail when a chapter's code or text is newer
"""

import argparse
import sys
import time
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient
from slim import slim_outputs

BOOK = Path(__file__).resolve().parents[1] / "book"
TIMEOUT = 600  # seconds a cell
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def chapters(folder: Path = BOOK) -> list[Path]:
    """The sources that are to be executed: those whose header names a kernel."""
    return [p for p in sorted(folder.glob("*.md")) if "kernelspec:" in header(p)]


def header(source: Path) -> str:
    """The YAML block at the top of a page, or an empty string."""
    text = source.read_text(encoding="utf8")
    return text[3:].partition("\n---")[0] if text.startswith("---") else ""


def read_source(source: Path) -> nbformat.NotebookNode:
    """A chapter as a notebook without outputs, the same at every reading."""
    notebook = jupytext.read(source)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    notebook.metadata = nbformat.from_dict(METADATA)
    for number, cell in enumerate(notebook.cells):
        cell.id = f"{source.stem.replace('_', '-')}-{number:03d}"
    return notebook


def slim(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Replace heavy outputs by their fingerprints and drop what differs at every run."""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.metadata.pop("execution", None)
            cell.outputs = slim_outputs(cell.outputs)
    notebook.metadata.pop("widgets", None)
    return notebook


def update(source: Path) -> Path:
    """Run a chapter and write its reference notebook."""
    notebook = read_source(source)
    place = {"metadata": {"path": str(source.parent)}}
    settings = {"timeout": TIMEOUT, "kernel_name": "python3", "resources": place}
    # whether lines of one cell arrive together is chance, and no change of the chapter
    settings |= {"record_timing": False, "coalesce_streams": True}
    NotebookClient(notebook, **settings).execute()
    notebook = nbformat.from_dict(slim(notebook))
    nbformat.validate(notebook)
    reference = source.with_suffix(".ipynb")
    nbformat.write(notebook, reference)
    return reference


def check(source: Path) -> str:
    """Say how a chapter and its reference differ; an empty string when they do not."""
    reference = source.with_suffix(".ipynb")
    advice = f"run `make notebooks STEM={source.stem}`"
    if not reference.exists():
        return f"{reference.name} is missing: {advice}"
    cells, expected = (
        [(cell.cell_type, cell.source, dict(cell.metadata)) for cell in notebook.cells]
        for notebook in (read_source(source), nbformat.read(reference, 4))
    )
    if len(cells) != len(expected):
        return f"{source.name} has {len(cells)} cells, {reference.name} {len(expected)}: {advice}"
    for number, (cell, old) in enumerate(zip(cells, expected, strict=True)):
        if cell != old:
            return f"{source.name} and {reference.name} differ at cell {number}: {advice}"
    return ""


def orphans(folder: Path = BOOK) -> list[str]:
    """References whose chapter is gone."""
    stems = {source.stem for source in chapters(folder)}
    notebooks = sorted(folder.glob("*.ipynb"))
    return [f"{p.name} has no chapter: remove it" for p in notebooks if p.stem not in stems]


def main() -> int:
    """Run the command line; return its exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("command", choices=["update", "check"])
    parser.add_argument("chapters", nargs="*", metavar="CHAPTER", help="file name without .md")
    arguments = parser.parse_args()
    known = {source.stem: source for source in chapters()}
    unknown = set(arguments.chapters) - set(known)
    if unknown:
        parser.error(f"unknown chapter {sorted(unknown)}; there are {sorted(known)}")
    chosen = [known[stem] for stem in arguments.chapters or known]

    if arguments.command == "update":
        for source in chosen:
            start = time.perf_counter()
            reference = update(source)
            size, seconds = reference.stat().st_size, time.perf_counter() - start
            print(f"{reference.name}: {size / 1000:.0f} kB, {seconds:.0f} s", flush=True)
        return 0
    problems = [problem for source in chosen if (problem := check(source))]
    problems += orphans() if not arguments.chapters else []
    print("\n".join(problems) or f"{len(chosen)} chapters and their references are in step")
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())
