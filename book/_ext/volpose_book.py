"""What Jupyter Book needs to draw this book's figures offline and to notice every change.

* plotly figures are drawn from their notebook output, with the plotly.js of the installed package;
* a live widget becomes a sentence, because a printed page has no Python behind it;
* docstrings are plain text: their stars and underscores mean themselves;
* the cache of executed chapters forgets everything when the package, its data or a result changes.
"""

import hashlib
import importlib.util
import json
import re
import shutil
from html import escape
from pathlib import Path

from docutils import nodes
from myst_nb.core import render

PLOTLY = "application/vnd.plotly.v1+json"
WIDGET = "application/vnd.jupyter.widget-view+json"
NO_WIDGET = "A live control stands here when this chapter is opened as a notebook."
DEFAULT_HEIGHT = 450
INPUTS_OF_CHAPTERS = ("volpose", "results", "requirements.txt")


class BookOutputs:
    """Draws the outputs that myst-nb cannot draw by itself."""

    mime_priority_overrides = (("html", PLOTLY, 1), ("html", WIDGET, 2))

    @staticmethod
    def handle_mime(renderer, data, inline):
        """Return the nodes for one output, or None to leave it to myst-nb."""
        if inline:
            return None
        if data.mime_type == PLOTLY:
            return [nodes.raw(text=plotly_html(data.content), format="html", classes=["output"])]
        if data.mime_type == WIDGET:
            return [nodes.paragraph("", "", nodes.emphasis("", NO_WIDGET))]
        return None


def plotly_html(figure: dict) -> str:
    """The place of one figure and its JSON, which plotly-book.js draws when it comes into view."""
    layout = figure.get("layout", {})
    parts = {
        "data": figure.get("data", []),
        "layout": layout,
        "config": figure.get("config", {}),
        "frames": figure.get("frames", []),
    }
    text = json.dumps(parts, separators=(",", ":")).replace("</", "<\\/")
    label = escape((layout.get("meta") or {}).get("alt", ""))
    height = int(layout.get("height") or DEFAULT_HEIGHT)
    return (
        f'<div class="plotly-book" role="img" aria-label="{label}" style="height:{height}px"></div>'
        f'<script type="{PLOTLY}">{text}</script>'
    )


def add_renderer(load=render.load_mime_renders):
    """Put BookOutputs beside myst-nb's own renderers."""
    render.load_mime_renders = lambda: [*load(), BookOutputs]


def choose_scripts(app, pagename, templatename, context, doctree):
    """Load plotly.js only where there is a figure, and never Thebe's scripts (they need a CDN)."""
    # In place: a new list would lose what add_js_file adds below.
    context["script_files"][:] = [
        script
        for script in context["script_files"]
        if "thebe" not in str(getattr(script, "filename", "")).lower()
        and "THEBE" not in str(getattr(script, "attributes", {}).get("body", ""))
    ]
    if doctree is None:
        return
    if any('class="plotly-book"' in node.astext() for node in doctree.findall(nodes.raw)):
        app.add_js_file("vendor/plotly.min.js", loading_method="defer")
        app.add_js_file("plotly-book.js", loading_method="defer")


def package_folder(name: str) -> Path:
    """Where an installed package lies, without importing it."""
    return Path(importlib.util.find_spec(name).submodule_search_locations[0])


def copy_scripts(app, exception):
    """Take plotly.js and MathJax from the installed Python packages that carry them."""
    if exception is not None or app.builder.format != "html":
        return
    vendor = Path(app.outdir, "_static", "vendor")
    vendor.mkdir(parents=True, exist_ok=True)
    shutil.copy2(package_folder("plotly") / "package_data" / "plotly.min.js", vendor)
    mathjax = package_folder("sphinx-mathjax-offline") / "static" / "mathjax"
    shutil.copy2(mathjax / "tex-svg-full.js", vendor)


def digest_of_inputs(root: Path) -> str:
    """A short digest of every file that a chapter's outputs depend on, besides its own code."""
    digest = hashlib.sha256()
    for name in INPUTS_OF_CHAPTERS:
        top = root / name
        files = [top] if top.is_file() else sorted(top.rglob("*"))
        for path in files:
            if path.is_file() and path.suffix != ".pyc":
                digest.update(path.relative_to(root).as_posix().encode())
                digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def choose_cache(app, config):
    """Name the cache after its inputs, and remove the caches of earlier inputs."""
    build = Path(app.outdir).parent
    cache = build / f".cache-{digest_of_inputs(Path(app.confdir))}"
    for old in build.glob(".cache-*"):
        if old != cache:
            shutil.rmtree(old)
    if config.nb_execution_mode == "cache" and not config.nb_execution_cache_path:
        config.nb_execution_cache_path = str(cache)


def escape_docstring(app, what, name, obj, options, lines):
    """Keep reStructuredText from reading `(*batch, J)` or `left_` as markup."""
    # A class's fields are listed once, as its arguments.
    lines[:] = [escape_line(line.replace("Attributes:", "Args:")) for line in lines]
    if what in ("property", "attribute", "data"):
        # After an empty comment napoleon does not take the words before a colon for a type.
        lines[:0] = ["..", ""]


def escape_line(line: str) -> str:
    """Escape stars, bars and closing underscores outside code, and double single backticks."""
    parts = re.split(r"(``.+?``|`[^`]+`)", line)
    for i, part in enumerate(parts):
        if not part.startswith("`"):
            parts[i] = re.sub(r"[\\*|]|(?<=\w)_(?!\w)", r"\\\g<0>", part)
        elif not part.startswith("``"):
            parts[i] = f"`{part}`"
    return "".join(parts)


def setup(app):
    """Connect the above to Sphinx."""
    add_renderer()
    app.connect("config-inited", choose_cache, priority=400)
    app.connect("autodoc-process-docstring", escape_docstring, priority=400)
    app.connect("html-page-context", choose_scripts)
    app.connect("build-finished", copy_scripts)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
