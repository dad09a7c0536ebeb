"""Small, comparable stand-ins for a notebook's outputs.

A chapter's outputs are compared with those of its reference notebook. Text is kept as it is.
A picture becomes its size and a thumbnail; a plotly figure becomes a few lines of numbers.
Both are small enough to commit and precise enough to show that a curve has moved.
"""

import base64
import io
import re
import zlib

import numpy as np
from PIL import Image

PLOTLY = "application/vnd.plotly.v1+json"
PICTURES = ("image/png", "image/jpeg")
NOT_COMPARED = ("image/svg+xml", "application/vnd.jupyter.widget-view+json")

THUMBNAIL = 32  # pixels each way: about 2 kB as PNG
# matplotlib and its fonts are pinned, so only the numbers can differ on another processor. A thin
# line in a plot of 500 x 300 pixels that moves by 0.1 % of the axis changes a cell's mean color by
# up to 6 of 255 levels, one that moves by 0.3 % by 20: rounding passes, a changed curve does not.
LARGEST_DIFFERENCE = 8
LARGEST_SIZE_CHANGE = 0.02

RTOL, ATOL = 1e-3, 1e-4
NUMBER = re.compile(r"(?<![\w.])[-+]?(?:\d+\.\d*|\.\d+|\d+)(?:[eE][-+]?\d+)?(?!\w)")
INTEGER = re.compile(r"[-+]?\d+")


# ---- text ---------------------------------------------------------------------------------


def close(text: str, reference: str, rtol: float = RTOL, atol: float = ATOL) -> bool:
    """Whether two texts agree: words and integers exactly, decimals nearly, spaces not at all."""
    words, reference_words = (" ".join(NUMBER.sub("#", t).split()) for t in (text, reference))
    if words != reference_words:
        return False
    pairs = zip(NUMBER.findall(text), NUMBER.findall(reference), strict=True)
    return all(_same_number(number, expected, rtol, atol) for number, expected in pairs)


def _same_number(number: str, expected: str, rtol: float, atol: float) -> bool:
    if number == expected:
        return True
    if INTEGER.fullmatch(number) and INTEGER.fullmatch(expected):
        return False
    return abs(float(number) - float(expected)) <= atol + rtol * abs(float(expected))


def visible_text(html: str) -> str:
    """The words of an HTML output, without tags, styles and scripts."""
    html = re.sub(r"(?s)<(style|script)\b.*?</\1>", " ", html)
    return " ".join(re.sub(r"<[^>]*>", " ", html).split())


# ---- pictures -----------------------------------------------------------------------------


def picture_fingerprint(encoded: str) -> dict[str, str]:
    """A picture's size as text, and a thumbnail of the mean colors of its THUMBNAIL^2 cells."""
    picture = Image.open(io.BytesIO(base64.b64decode(encoded))).convert("RGBA")
    paper = Image.new("RGBA", picture.size, "white")
    paper.alpha_composite(picture)
    small = paper.convert("RGB").resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX)
    file = io.BytesIO()
    small.save(file, format="PNG", optimize=True)
    text = f"picture of {picture.width} x {picture.height} pixels"
    return {"text/plain": text, "image/png": base64.b64encode(file.getvalue()).decode() + "\n"}


def picture_difference(picture: dict, reference: dict) -> str:
    """What differs between two fingerprints of pictures, or an empty string."""
    sizes = [[int(n) for n in re.findall(r"\d+", p["text/plain"])] for p in (picture, reference)]
    for length, expected in zip(*sizes, strict=True):
        if abs(length - expected) > LARGEST_SIZE_CHANGE * expected:
            return f"the size is {sizes[0]}, the reference's is {sizes[1]}"
    cells, expected_cells = (
        np.asarray(Image.open(io.BytesIO(base64.b64decode(p["image/png"]))), dtype=int)
        for p in (picture, reference)
    )
    difference = np.abs(cells - expected_cells).max(axis=2)
    if difference.max() <= LARGEST_DIFFERENCE:
        return ""
    row, column = np.unravel_index(difference.argmax(), difference.shape)
    changed = (difference > LARGEST_DIFFERENCE).sum()
    return (
        f"{changed} of {difference.size} cells have changed, most at row {row}, column {column}: "
        f"by {difference.max()} of 255 levels (up to {LARGEST_DIFFERENCE} are taken as equal)"
    )


# ---- plotly -------------------------------------------------------------------------------


def plotly_fingerprint(figure: dict) -> str:
    """A line for each trace, for the layout and for the frames, with every array summarized."""
    frames = figure.get("frames") or []
    traces = figure.get("data", [])
    layout = {k: v for k, v in figure.get("layout", {}).items() if k != "template"}
    lines = [f"plotly figure of {len(traces)} traces and {len(frames)} frames"]
    lines += [f"trace: {_summary(trace)}" for trace in traces]
    lines += [f"layout: {_summary(layout)}"]
    lines += [f"frame {i}: {_summary(frame)}" for i, frame in enumerate(frames[:3])]
    if len(frames) > 3:
        lines.append(f"all frames: {_summary_of_numbers(_all_numbers(frames))}")
    return "\n".join(lines)


def _summary(value) -> str:
    """One line for any part of a figure, short whatever its size."""
    array = _as_array(value)
    if array is not None:
        return _summary_of_numbers(array) if array.size > 4 else _short_numbers(array)
    if isinstance(value, dict):
        parts = [f"{k}={_summary(v)}" for k, v in sorted(value.items()) if k != "uid"]
        return "{" + ", ".join(parts) + "}"
    if isinstance(value, (list, tuple)):
        text = ", ".join(_summary(v) for v in value)
        return f"[{_short_text(text, len(value))}]"
    if isinstance(value, float):
        return _short(value)
    return _short_text(str(value), 1)


def _as_array(value) -> np.ndarray | None:
    """A list of numbers, or plotly's packed form of one; None when it is something else."""
    if isinstance(value, dict) and "bdata" in value:
        raw = base64.b64decode(value["bdata"])
        return np.frombuffer(raw, dtype=np.dtype(value["dtype"])).astype(float)
    if not isinstance(value, (list, tuple)) or not value or isinstance(value[0], str):
        return None
    try:
        return np.array([[np.nan] if v is None else v for v in value], dtype=float).ravel()
    except (TypeError, ValueError):
        return None


def _all_numbers(value) -> np.ndarray:
    """Every number of every array inside a part of a figure, in order."""
    array = _as_array(value)
    if array is not None:
        return array
    inside = value.values() if isinstance(value, dict) else value
    nested = [_all_numbers(v) for v in inside if isinstance(v, (dict, list, tuple))]
    return np.concatenate([np.empty(0), *nested])


def _summary_of_numbers(array: np.ndarray) -> str:
    """Length, lowest, mean and highest, and a weighted mean that notices every change of place."""
    finite = np.isfinite(array)
    if not finite.any():
        return f"({array.size})"
    values = array[finite]
    # Multiples of the golden ratio, modulo 1: no two neighbors on any axis weigh the same.
    weights = (np.arange(array.size) * 0.6180339887) % 1 - 0.5
    numbers = [values.min(), values.mean(), values.max(), (values * weights[finite]).mean()]
    return f"({array.size}: {' '.join(_short(n) for n in numbers)})"


def _short_numbers(array: np.ndarray) -> str:
    return "(" + " ".join(_short(n) for n in array) + ")"


def _short(number: float) -> str:
    """Five digits, always with a decimal point: close() lets decimals differ by a little."""
    text = f"{0.0 if abs(number) < 1e-9 else number:.5g}"
    return text if re.search(r"[.en]", text) else text + ".0"


def _short_text(text: str, count: int) -> str:
    """A long text as its length and check sum, with its numbers left out of the sum."""
    if len(text) <= 200:
        return text
    words = NUMBER.sub("#", text)
    return f"{count} items, {len(words)} letters, sum {zlib.crc32(words.encode()):08x}"


# ---- a cell's outputs ---------------------------------------------------------------------


def slim_outputs(outputs: list) -> list:
    """The outputs with everything heavy replaced by its fingerprint."""
    slim = []
    for output in outputs:
        if output["output_type"] == "error":
            output["traceback"] = []
        if "data" in output:
            output["data"] = slim_data(output["data"])
            if not output["data"]:
                continue
        slim.append(output)
    return slim


def slim_data(data: dict) -> dict:
    """One output's forms, with everything heavy replaced by its fingerprint."""
    if PLOTLY in data:
        return {"text/plain": plotly_fingerprint(data[PLOTLY])}
    for form in PICTURES:
        if form in data:
            return picture_fingerprint(data[form])
    kept = {k: v for k, v in data.items() if k not in (*NOT_COMPARED, "text/html")}
    if "text/html" in data and kept.get("text/plain", "<").startswith("<"):
        kept["text/plain"] = visible_text(data["text/html"])
    return kept


def is_picture(data: dict) -> bool:
    """Whether this is a picture's fingerprint."""
    return "image/png" in data and data.get("text/plain", "").startswith("picture of ")
