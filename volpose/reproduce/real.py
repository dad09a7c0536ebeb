"""Tables 4 to 7: a network on a real data set under the table's protocol, beside the paper's."""

from __future__ import annotations

import json
from pathlib import Path

from volpose import __version__
from volpose.data.opening import READERS, open_under
from volpose.data.protocols import PROTOCOLS, TITLES
from volpose.estimator import Estimator
from volpose.evaluate_real import evaluate_real
from volpose.reproduce.published import AVERAGE, PAPER, PUBLISHED, Published
from volpose.reproduce.report import NOTHING, aligned
from volpose.reproduce.tables import file_name
from volpose.storage import read_json, write_text

FOLDER = "real"
MEAN_OF_ACTIONS = "mean of actions"
# the true depth for none but Table 6, whose measure forgives a wrong one
ROOT = {"table4": "mean-limbs", "table5": "mean-limbs", "table6": "truth", "table7": "mean-limbs"}


def measure_real(
    table: str,
    path: str,
    estimator: Estimator,
    name: str,
    results: Path,
    decoder: str = "argmax",
    mirror: bool = False,
    count: int | None = None,
) -> Path:
    """Measure a network as a table of the paper does and write it to a JSON file.

    Args:
        table: a key of `PUBLISHED`.
        path: of the data, with or without their kind in front.
        estimator: the network.
        name: what it is called.
        results: folder of the results.
        decoder: of the volumes; the paper's is "argmax".
        mirror: average with the mirror images, as the released code does.
        count: measure so many samples only, evenly spread.

    Returns:
        The file.

    Raises:
        FileNotFoundError, ValueError: the data are not what the table needs.

    Paper: Tables 4 to 7.
    """
    protocol = PROTOCOLS[table]
    kind, colon, _ = path.partition(":")
    spec = path if colon and kind in READERS else f"{protocol.data}:{path}"
    data = open_under(protocol, spec, "test", estimator.config.image_size, count)
    found = evaluate_real(
        estimator, data, protocol, ROOT[table], decoder, mirror, progress=True
    ).to_json()
    result = {"name": name, "table": table, "volpose": __version__, "card": estimator.card}
    out = results / FOLDER / f"{table}-{file_name(name)}.json"
    write_text(out, json.dumps(result | found, indent=1) + "\n")
    return out


def report_real(table: str, results: Path) -> str:
    """The paper's numbers of a table, and beside them every network that was measured.

    Args:
        table: a key of `PUBLISHED`.
        results: folder of the results.

    Raises:
        ValueError: a file is not such a result.
    """
    published = PUBLISHED[table]
    ours = {path: read_json(path) for path in sorted((results / FOLDER).glob(f"{table}-*.json"))}
    columns = published.methods | {
        str(result.get("name")): _numbers(published, result, path) for path, result in ours.items()
    }
    lines = published.lines
    if table == "table4":  # the paper prints one average and does not say which
        lines += (MEAN_OF_ACTIONS,)
        own = [number for line, number in columns[PAPER].items() if line != AVERAGE]
        columns[PAPER] = columns[PAPER] | {MEAN_OF_ACTIONS: sum(own) / len(own)}
    rows = [("", *columns)]
    for line in lines:
        numbers = [column.get(line) for column in columns.values()]
        cells = [NOTHING if n is None else f"{n:.{published.digits}f}" for n in numbers]
        rows.append((line, *cells))
    parts = [f"{published.title}\n{PROTOCOLS[table]}", aligned(rows)]
    for result in ours.values():
        parts.append(_conditions(result))
    if not ours:
        kind = PROTOCOLS[table].data
        parts.append(f"ours is missing: volpose reproduce {table} --data PATH (of {TITLES[kind]})")
    return "\n\n".join(parts)


def _numbers(published: Published, result: dict, path: Path) -> dict[str, float]:
    """Line -> our number; lines that were not measured are left out."""
    try:
        if published.metric is None:
            return {line: result["mean_of_frames"][f"{line} %"] for line in published.lines}
        metric = published.metric
        rows = result.get("actions") or result["sequences"]
        found = {line: row[metric] for line, row in rows.items()}
        found[AVERAGE] = result[published.average][metric]
        return found | {MEAN_OF_ACTIONS: result.get("mean_of_actions", {}).get(metric)}
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path}: not a result of {published.title} ({error!r})") from error


def _conditions(result: dict) -> str:
    differences = ", ".join(result.get("differences", [])) or "nothing"
    measured = result.get("measured", {})
    return (
        f"{result['name']}: {result.get('protocol')}; root: {measured.get('root_source')}; "
        f"box: {measured.get('box_source')}; trained on {' '.join(measured.get('train', []))}; "
        f"other than in the paper: {differences}"
    )
