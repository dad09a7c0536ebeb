"""`volpose reproduce`: measure what a table lacks, then print it beside the paper's."""

from __future__ import annotations

import argparse
import textwrap
from pathlib import Path

import torch

from volpose import pretrained
from volpose.commands.options import add_precision, name_of, positive
from volpose.estimator import DECODERS
from volpose.recipe import PRESETS
from volpose.reproduce import QUESTIONS, lacking, lacking_files, reproduce
from volpose.reproduce.experiment import SAMPLES, SETTINGS
from volpose.reproduce.measure import prepare_process
from volpose.reproduce.plan import SEEDS
from volpose.reproduce.published import PUBLISHED
from volpose.reproduce.questions import answers
from volpose.reproduce.real import measure_real, report_real
from volpose.reproduce.report import most_seeds, readings, report
from volpose.reproduce.summary import DECODER, summarize
from volpose.reproduce.tables import TABLES


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's options: Tables 1 to 3 train, Tables 4 to 7 need real data."""
    tables = parser.add_subparsers(dest="table", required=True, metavar="TABLE")
    words = "networks trained on the studio"
    for table in (*TABLES, QUESTIONS):
        _add_studio(tables.add_parser(table, help=words))
    for table, published in PUBLISHED.items():
        _add_real(tables.add_parser(table, help=published.title.partition(": ")[2]))


def _add_studio(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=run)
    parser.add_argument("--preset", choices=tuple(SAMPLES), default="laptop")
    parser.add_argument("--setting", choices=SETTINGS, action="append", help="default: both")
    words = f"of each row; default: as many as were begun, at least {SEEDS}"
    parser.add_argument("--seeds", type=positive, metavar="N", help=words)
    parser.add_argument("--jobs", type=positive, default=1, metavar="N", help="side by side")
    words = "train nothing, print what is there, and which runs are not"
    parser.add_argument("--show", action="store_true", help=words)
    parser.add_argument("--results", type=Path, default=Path("results/reproduce"), metavar="DIR")
    parser.add_argument("--runs", type=Path, default=Path("runs"), metavar="DIR")


def _add_real(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=run_real)
    words = "of the data; without it, print the paper's numbers and what was measured before"
    parser.add_argument("--data", metavar="PATH", help=words)
    parser.add_argument("--weights", default="studio-laptop", help="shipped name or file")
    parser.add_argument("--count", type=positive, help="measure so many samples only")
    words = "default: argmax, as in the paper"
    parser.add_argument("--decoder", choices=DECODERS, default="argmax", help=words)
    words = "average with the mirror image, as the released code does"
    parser.add_argument("--mirror", action="store_true", help=words)
    add_precision(parser)
    parser.add_argument("--results", type=Path, default=Path("results/reproduce"), metavar="DIR")


def run(options: argparse.Namespace) -> None:
    """Train what Tables 1 to 3 lack, and print them."""
    if options.show and not options.results.is_dir():
        raise FileNotFoundError(f"--results {options.results}: no such folder")
    small = PRESETS[options.preset].network.image_size <= 64
    if not options.show:
        prepare_process(1 if small else torch.get_num_threads())
    for setting in options.setting or SETTINGS:
        seeds = options.seeds or _seeds(options, setting)
        where = options.table, options.preset, setting, seeds, options.results
        if not options.show:
            reproduce(*where, options.runs, options.jobs)
        print(_said(options, setting))
        todo = [run.name for run in lacking(*where)]
        files = lacking_files(options.table, options.preset, setting, options.results)
        asked = f", of what {seeds} seeds ask for" if seeds else ""
        for names, words in ((files, "missing"), (todo, f"not made yet{asked}")):
            if names:
                told = f"{words}: {', '.join(names)}"
                print("\n" + textwrap.fill(told, 88, break_on_hyphens=False))
        print()


def _seeds(options: argparse.Namespace, setting: str) -> int | None:
    """How many to ask for, so that a deleted result is missed; None: every kind has its own."""
    if options.table not in TABLES:
        return None
    there = summarize(options.table, options.preset, setting, options.results)
    return max(SEEDS, most_seeds(there))


def _said(options: argparse.Namespace, setting: str) -> str:
    """The table, and its claims again with the paper's decoder; or what the paper leaves open."""
    where = options.preset, setting, options.results
    if options.table not in TABLES:
        return answers(*where)
    usual, papers = (summarize(options.table, *where, decoder=d) for d in (DECODER, "argmax"))
    words = "the claims with equal samples, read as above and by argmax, the paper's decoder"
    return f"{report(usual)}\n\n{words}\n{readings({'as above': usual, 'argmax': papers})}"


def run_real(options: argparse.Namespace) -> None:
    """Measure a network as Tables 4 to 7 do if there are data, and print them.

    Raises:
        FileNotFoundError, ValueError: the weights or the data are not what was expected.
    """
    if options.data:
        estimator = pretrained.load(options.weights).at_precision(options.precision)
        out = measure_real(
            options.table,
            options.data,
            estimator,
            name_of(options.weights),
            options.results,
            options.decoder,
            options.mirror,
            options.count,
        )
        print(f"written: {out}")
    print(report_real(options.table, options.results))
