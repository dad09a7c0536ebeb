"""The book's tools: each must notice what it is there to notice."""

import base64
import io

import check_html
import matplotlib
import nbformat
import notebooks
import numpy as np
import pytest
import slim

matplotlib.use("agg")
from matplotlib import pyplot as plt

# ---- text ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("error 53.21 mm", "error 53.22 mm"),
        ("tensor([0.1370,  1.0000])", "tensor([0.1370, 1.0000])"),
        ("1.2e-08", "-3.0e-09"),
        ("loss 0.1369598", "loss 0.13696"),
        ("17 joints", "17 joints"),
    ],
)
def test_close_forgives_rounding_and_spaces(text, reference):
    assert slim.close(text, reference)


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("error 53.2 mm", "error 54.2 mm"),
        ("17 joints", "16 joints"),
        ("left 1.0", "right 1.0"),
        ("1.0 2.0", "1.0"),
        ("-0.5", "0.5"),
    ],
)
def test_close_notices_change(text, reference):
    assert not slim.close(text, reference)


# ---- pictures -----------------------------------------------------------------------------


def drawing(shift=0.0, color="#D55E00", title="", width=5.0) -> dict:
    """The outputs of a cell that draws one thin curve."""
    figure, axes = plt.subplots(figsize=(width, 3))
    x = np.linspace(0, 6, 200)
    axes.plot(x, np.sin(x) + shift, color=color)
    axes.set(ylim=(-1.5, 1.5), xlabel="x in mm", title=title)
    file = io.BytesIO()
    figure.savefig(file, format="png", bbox_inches="tight")
    plt.close(figure)
    return {"image/png": base64.b64encode(file.getvalue()).decode(), "text/plain": "<Figure>"}


def picture_difference(changed: dict) -> str:
    return slim.picture_difference(slim.slim_data(changed), slim.slim_data(drawing()))


def test_picture_is_small_and_equal_to_itself():
    fingerprint = slim.slim_data(drawing())
    assert slim.is_picture(fingerprint)
    assert len(fingerprint["image/png"]) < 4000
    assert picture_difference(drawing()) == ""


def test_picture_forgives_rounding():
    assert picture_difference(drawing(shift=0.003)) == ""


@pytest.mark.parametrize(
    "change",
    [{"shift": 0.015}, {"color": "#009E73"}, {"title": "new"}, {"width": 6.0}],
    ids=["curve moved by 0.5 %", "color", "title", "size"],
)
def test_picture_notices(change):
    assert picture_difference(drawing(**change))


# ---- plotly -------------------------------------------------------------------------------


def figure(**changes) -> dict:
    """A plotly figure of one limb and one frame, as a kernel sends it."""
    trace = {"type": "scatter3d", "name": "left", "x": [0.0, 1.0, 2.0, 3.0, 4.0, 5.5]}
    trace |= {"line": {"color": "#D55E00"}, "z": packed([0.5, 1.5])} | changes
    return {"data": [trace], "layout": {"meta": {"alt": "a limb"}, "template": {"a": 1}}}


def packed(values) -> dict:
    array = np.array(values, dtype="float32")
    return {"dtype": "f4", "bdata": base64.b64encode(array.tobytes()).decode()}


def figure_agrees(**changes) -> bool:
    texts = [slim.plotly_fingerprint(figure(**c)) for c in (changes, {})]
    return slim.close(*texts)


def test_plotly_forgives_rounding():
    assert figure_agrees(x=[0.0, 1.00001, 2.0, 3.0, 4.0, 5.50001])


@pytest.mark.parametrize(
    "change",
    [
        {"x": [0.0, 1.1, 2.0, 3.0, 4.0, 5.5]},
        {"x": [0.0, 2.0, 1.0, 3.0, 4.0, 5.5]},
        {"x": [0.0, 1.0, 2.0, 3.0, 4.0]},
        {"z": packed([0.5, 1.6])},
        {"line": {"color": "#009E73"}},
        {"name": "right"},
    ],
    ids=["value", "order", "length", "packed value", "color", "name"],
)
def test_plotly_notices(change):
    assert not figure_agrees(**change)


def test_plotly_notices_a_changed_frame_among_many():
    def animation(last):
        frames = [{"data": [{"z": [[1.0, 2.0], [3.0, 4.0]]}]} for _ in range(9)]
        frames[-1]["data"][0]["z"][1][1] = last
        return slim.plotly_fingerprint({"data": [], "frames": frames})

    assert not slim.close(animation(5.0), animation(4.0))


# ---- notebooks ----------------------------------------------------------------------------

CHAPTER = """---
kernelspec:
  name: python3
jupytext:
  text_representation:
    format_name: myst
---

# Title

```{code-cell} ipython3
1 + 1
```
"""


@pytest.fixture
def chapter(tmp_path):
    """A chapter and its reference, in step."""
    source = tmp_path / "chapter.md"
    source.write_text(CHAPTER)
    nbformat.write(notebooks.read_source(source), source.with_suffix(".ipynb"))
    return source


def test_chapter_in_step(chapter):
    assert notebooks.chapters(chapter.parent) == [chapter]
    assert notebooks.check(chapter) == ""
    assert notebooks.orphans(chapter.parent) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [("1 + 1", "1 + 2"), ("# Title", "# Other"), ("```\n", "```\n\n```{code-cell}\n2\n```\n")],
    ids=["code", "text", "new cell"],
)
def test_check_notices_a_changed_source(chapter, old, new):
    chapter.write_text(chapter.read_text().replace(old, new))
    assert "make notebooks STEM=chapter" in notebooks.check(chapter)


def test_check_notices_a_missing_reference_and_an_orphan(chapter):
    chapter.with_suffix(".ipynb").rename(chapter.parent / "old.ipynb")
    assert "missing" in notebooks.check(chapter)
    assert "old.ipynb" in notebooks.orphans(chapter.parent)[0]


def test_slim_keeps_text_and_drops_the_rest():
    outputs = [
        {"output_type": "stream", "name": "stdout", "text": "1.5\n"},
        {"output_type": "error", "ename": "E", "evalue": "v", "traceback": ["/tmp/x.py"]},
        {"output_type": "display_data", "data": {slim.NOT_COMPARED[0]: "<svg/>"}},
        {"output_type": "display_data", "data": {"text/html": "<b>Sit</b> 71.2"}},
    ]
    kept = slim.slim_outputs(outputs)
    assert [o["output_type"] for o in kept] == ["stream", "error", "display_data"]
    assert kept[1]["traceback"] == []
    assert kept[2]["data"] == {"text/plain": "Sit 71.2"}


# ---- built pages --------------------------------------------------------------------------

GOOD = (
    '<article><h1 id="top">T</h1><a href="#top">up</a><img src="p.png" alt="A curve">'
    '<div class="plotly-book" aria-label="A pose"></div><div class="math">x</div>'
    '<div class="cell_output">2</div></article>'
    '<script src="plotly.min.js"></script><script src="plotly-book.js"></script>'
    '<script src="tex-svg-full.js"></script>'
)


@pytest.fixture
def page_problems(chapter, tmp_path):
    """Check a book of one page with this content."""

    def check(html):
        page = tmp_path / "html" / "book" / "chapter.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        for name in ("p.png", "plotly.min.js", "plotly-book.js", "tex-svg-full.js"):
            page.with_name(name).touch()
        page.write_text(html)
        reference = notebooks.read_source(chapter)
        reference.cells[1].outputs = [nbformat.v4.new_output("stream", text="2")]
        nbformat.write(reference, chapter.with_suffix(".ipynb"))
        return check_html.problems(tmp_path / "html", [chapter])

    return check


def test_good_page_has_no_problem(page_problems):
    assert page_problems(GOOD) == []


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('src="p.png"', 'src="https://a.example/p.png"', "from the network"),
        ('src="p.png"', 'src="q.png"', "does not exist"),
        ('alt="A curve"', 'alt="../p.png"', "without a description"),
        ('aria-label="A pose"', 'aria-label=""', "no description"),
        ('href="#top"', 'href="#bottom"', "no such anchor"),
        ('href="#top"', 'href="other.html"', "does not exist"),
        ("<h1", '<link rel="stylesheet" href="//a.example/a.css"><h1', "from the network"),
        ('<script src="plotly.min.js"></script>', "", "does not load plotly.min.js"),
        ('<script src="tex-svg-full.js"></script>', "", "does not load tex-svg"),
        ('class="cell_output"', 'class="cell"', "shows 0 outputs"),
        ("<h1", '<div class="output traceback">E</div><h1', "shows 1 errors"),
        ("<h1", '<script type="application/vnd.jupyter.widget-view+json"></script><h1', "widget"),
    ],
)
def test_each_fault_of_a_page_is_found(page_problems, old, new, message):
    found = page_problems(GOOD.replace(old, new))
    assert len(found) == 1
    assert message in found[0]


def test_chapter_that_was_not_built_is_found(chapter, tmp_path):
    assert any("was not built" in p for p in check_html.problems(tmp_path, [chapter]))
