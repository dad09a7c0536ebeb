"""The benchmark as a table, and as a file that can be compared with another machine's."""

from __future__ import annotations

import json
import re
from pathlib import Path

from volpose.storage import write_text

TIMED = ("loss", "decode", "forward", "step", "render")


def report(result: dict) -> str:
    """A table, the ratios first.

    Args:
        result: of `volpose.bench.bench`.

    Returns:
        Several lines; an arrow marks what the package does, where several forms were timed.
    """
    machine = "{machine}; {threads} threads; PyTorch {torch}, volpose {volpose}".format(**result)
    speeds = (
        "at best: product {fp32_gflops:.0f} GFLOP/s in fp32, {bf16_gflops:.0f} in bf16; "
        "copy {copy_gb_s:.1f} GB/s, {cache_gb_s:.1f} in the cache"
    ).format(**result["limits"])
    wait = result["wait"]
    lines = [machine, speeds, "", f"{'faster':>8} {'of limit':>9} {'median':>9}  what"]
    lines += [line for part in TIMED for entry in result[part] for line in _times(entry)]
    lines += ["", f"{'less':>8} {'':9} {'peak':>9}  memory"]
    lines += [line for entry in result["memory"] for line in _peaks(entry)]
    lines += ["", f"waiting for data: {wait['share']:.1%} of the time of a {wait['name']} run"]
    return "\n".join(lines)


def write(result: dict, folder: str | Path = Path("results/bench")) -> Path:
    """Save a result as JSON, named after the hardware and the number of threads.

    Args:
        result: of `volpose.bench.bench`.
        folder: made if it is not there.

    Returns:
        The file, such as ``cpu-2-threads.json``.
    """
    kind = "cpu" if result["device"] == "cpu" else result["machine"]
    kind = re.sub(r"[^a-z0-9]+", "-", kind.lower()).strip("-")
    quick = "-quick" if result.get("quick") else ""
    path = Path(folder) / f"{kind}-{result['threads']}-threads{quick}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(result, indent=1) + "\n")
    return path


def _times(entry: dict) -> list[str]:
    """The plain form as the head of its rivals."""
    times, baseline = entry["times"], entry["baseline"]
    lines = [_row("", "", _duration(times[baseline]["median_s"]), f"{entry['name']}: {baseline}")]
    for name, factor in entry["faster"].items():
        median, is_ours = times[name]["median_s"], name == entry["ours"]
        limit = f"{entry['limit_s'] / median:.0%}" if is_ours and "limit_s" in entry else ""
        lines.append(_row(f"{factor:.2f} x", limit, _duration(median), _marked(name, is_ours)))
    return lines


def _peaks(entry: dict) -> list[str]:
    peaks, baseline = entry["peak_mib"], entry["baseline"]
    lines = [_row("", "", f"{peaks[baseline]:.0f} MiB", f"{entry['name']}: {baseline}")]
    for name, saved in entry["saved"].items():
        what = _marked(name, name == entry["ours"])
        lines.append(_row(f"{saved:.0%}", "", f"{peaks[name]:.0f} MiB", what))
    return lines


def _marked(name: str, is_ours: bool) -> str:
    return f"{' ->' if is_ours else '':4}{name}"


def _row(first: str, second: str, third: str, what: str) -> str:
    return f"{first:>8} {second:>9} {third:>9}  {what}"


def _duration(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1e3:.3g} ms"
