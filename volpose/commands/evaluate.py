"""`volpose evaluate`: errors of a network on the studio or on a real data set."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from volpose import __version__, pretrained
from volpose.commands import options as shared
from volpose.data.opening import open_under, parse
from volpose.data.protocols import protocol_of
from volpose.estimator import DECODERS, Estimator
from volpose.evaluate import ROOTS, evaluate
from volpose.evaluate_real import Measurement, evaluate_real
from volpose.storage import write_text

STUDIO_COUNT = 2000  # samples, if nothing is said


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's options."""
    parser.set_defaults(run=run)
    parser.add_argument("weights", metavar="NAME", help="shipped name or weights file")
    words = f"studio:SPLIT, a rendered folder, or {shared.REAL}"
    parser.add_argument("--data", default="studio:test", help=words)
    shared.add_studio(parser)
    shared.add_split(parser)
    words = "source of the root depth; default: truth; for kth: mean-limbs"
    parser.add_argument("--root", choices=ROOTS, help=words)
    words = "how joints are read off a volume; default: peak; argmax is the paper's"
    parser.add_argument("--decoder", choices=DECODERS, default="peak", help=words)
    parser.add_argument("--mirror", action="store_true", help="average with the mirror image")
    shared.add_precision(parser)
    parser.add_argument("--json", type=Path, metavar="OUT", help="default: NAME-DATA.json")


def run(options: argparse.Namespace) -> None:
    """Do what the options say.

    Raises:
        ValueError, OSError: an option, the weights or the data are not what was expected.
    """
    real = shared.is_real(options.data)
    words = options.data.replace(":", "-").replace("/", "-")
    if real:
        words = f"{parse(options.data)[0]}-{options.split or 'test'}"
    out = options.json or Path(f"{shared.name_of(options.weights)}-{words}.json")
    shared.check_outputs([out], [Path(options.weights)])
    estimator = pretrained.load(options.weights).at_precision(options.precision)
    if real:
        table = _on_real(options, estimator)
    else:
        shared.refuse_given(options, ("split",), "the studio, whose split is in --data")
        data = shared.open_samples(options, estimator.config.image_size, STUDIO_COUNT)
        how = options.root or "truth", options.decoder, options.mirror
        table = evaluate(estimator, data, *how, progress=True)
    print(table)
    result = {"weights": str(options.weights), "volpose": __version__, "card": estimator.card}
    write_text(out, json.dumps(result | table.to_json(), indent=1) + "\n")


def _on_real(options: argparse.Namespace, estimator: Estimator) -> Measurement:
    shared.refuse_given(options, ("variation", "seed"), "a real data set")
    protocol = protocol_of(parse(options.data)[0])
    if protocol.data == "mpii":
        shared.refuse_given(options, ("root",), "mpii, which has no depth")
    split, size = options.split or "test", estimator.config.image_size
    data = open_under(protocol, options.data, split, size, options.count)
    how = options.root, options.decoder, options.mirror
    return evaluate_real(estimator, data, protocol, *how, progress=True)
