"""`volpose data check PATH`: what a folder holds and what of it can be used."""

from __future__ import annotations

import argparse
from pathlib import Path

from volpose.data.check import check
from volpose.data.opening import READERS
from volpose.data.protocols import PROTOCOLS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's options."""
    parser.set_defaults(run=run)
    parser.add_argument("task", choices=("check", "protocols"), help="what to do")
    words = "of the data; KIND:PATH if it is not recognized"
    parser.add_argument("path", nargs="?", metavar="PATH", help=words)


def run(options: argparse.Namespace) -> None:
    """Do what the options say.

    Raises:
        FileNotFoundError, ValueError: no path, or no data that can be read.
    """
    if options.task == "protocols":
        for protocol in PROTOCOLS.values():
            print(protocol)
        return
    if not options.path:
        raise ValueError("data check needs a path")
    kind, colon, rest = options.path.partition(":")
    named = bool(colon) and kind in READERS
    reports = check(Path(rest if named else options.path).expanduser(), kind if named else None)
    for report in reports:
        print(report)
    if not any(report.name for report in reports):
        raise ValueError(f"{options.path}: no split can be read")
