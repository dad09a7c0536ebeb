"""`volpose reproduce`: train what a table lacks, then print it beside the paper's."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import torch

from volpose.recipe import PRESETS
from volpose.reproduce import QUESTIONS, reproduce
from volpose.reproduce.experiment import SAMPLES, SETTINGS
from volpose.reproduce.measure import prepare_process
from volpose.reproduce.report import report
from volpose.reproduce.summary import summarize
from volpose.reproduce.tables import TABLES


def add_arguments(
    parser: argparse.ArgumentParser, positive: Callable[[str], int], default_seeds: int = 3
) -> None:
    """Describe the command's options.

    Args:
        parser: to add them to.
        positive: reads a positive whole number.
        default_seeds: runs of each row.
    """
    parser.set_defaults(run=run)
    parser.add_argument("table", choices=(*TABLES, QUESTIONS))
    parser.add_argument("--preset", choices=tuple(SAMPLES), default="laptop")
    parser.add_argument("--setting", choices=SETTINGS, action="append", help="default: both")
    parser.add_argument("--seeds", type=positive, default=default_seeds, metavar="N")
    parser.add_argument("--jobs", type=positive, default=1, metavar="N", help="side by side")
    parser.add_argument("--show", action="store_true", help="train nothing, print what is there")
    parser.add_argument("--results", type=Path, default=Path("results/reproduce"), metavar="DIR")
    parser.add_argument("--runs", type=Path, default=Path("runs"), metavar="DIR")


def run(options: argparse.Namespace) -> None:
    """Do what the options say."""
    small = PRESETS[options.preset].network.image_size <= 64
    if not options.show:
        prepare_process(1 if small else torch.get_num_threads())
    for setting in options.setting or SETTINGS:
        if not options.show:
            where = options.results, options.runs
            reproduce(options.table, options.preset, setting, options.seeds, *where, options.jobs)
        if options.table in TABLES:
            print(report(summarize(options.table, options.preset, setting, options.results)))
            print()
