"""The shape of the package: imports point down, and files and functions stay short."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "volpose"

# A module imports only from the lines above its own. A package's own name is its __init__.py.
LEVELS = [
    "skeleton grid camera model storage action_table loss_kernel precision flat team ahead "
    "provenance",
    "affine decoupled lift lift.bodies lift.cameras lift.faults lift.strays",
    "crop targets released metrics augment fused",
    "lift.lines",
    "lift.networks",
    "losses decode network data.samples data data.safe_pickle data.matlab data.rotations",
    "lift.heatmaps steady",
    "lift.people",
    "refine animate video detect data.files data.people data.orders data.h36m_names data.resection",
    "data.faults data.bvh data.h36m data.humaneva data.kth data.mpii data.protocols data.videopose "
    "data.index",
    "data.dataset data.amc data.h36m_authors data.h36m_processed data.h36m_json",
    "data.mocap lift.formats lift.doubt",
    "data.opening",
    "data.check",
    "data.command",
    "studio.body studio.variation studio.rooms studio.style",
    "studio.puppet studio.wardrobe studio.render",
    "studio.gestures studio.props",
    "studio.actions studio.widen",
    "studio.look",
    "studio.plan studio.paint",
    "studio.stage",
    "studio.dataset studio.files",
    "studio.cache studio.export",
    "studio estimator recipe",
    "lift.motions",
    "run feed pretrained predict evaluate commands.options commands",
    "journal evaluate_real",
    "train lift.lifter commands.evaluate",
    "lift.training lift.evaluate lift.picture lift.film commands.train",
    "lift.command",
    "bench.timing bench.remote bench.table",
    "bench.kernels",
    "bench.training",
    "bench.memory",
    "bench",
    "plot.style",
    "plot.scenes plot.traces plot.frames",
    "plot.figures2d plot.figures3d plot.first_light",
    "plot.page plot.findings plot.gallery plot.stages plot.uncertainty plot.film",
    "plot.film_page",
    "plot commands.person",
    "commands.film commands.predict_options",
    "commands.predict",
    "reproduce.tables reproduce.intervals reproduce.dissect reproduce.lookup reproduce.published "
    "reproduce.learned reproduce.records",
    "reproduce.experiment",
    "reproduce.costs",
    "reproduce.measure",
    "reproduce.summary",
    "reproduce.plan reproduce.report",
    "reproduce.real reproduce.answers",
    "reproduce.questions",
    "reproduce",
    "reproduce.command",
    "__main__",
]
LEVEL = {module: number for number, line in enumerate(LEVELS) for module in line.split()}
LONGEST_FILE, LONGEST_FUNCTION = 320, 40  # lines; a function's docstring is not counted


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


def imported_modules(path: Path):
    """The modules of this package that a file imports, as they are named in LEVELS."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: write `from volpose.x import y`, not `from .x`"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in (n.removeprefix("volpose.") for n in names if n.startswith("volpose.")):
            # `from volpose.crop import Box` names a module and something in it.
            yield name if name in LEVEL else name.rpartition(".")[0]


MODULES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}
MODULES.pop("__init__")  # the package's front door imports from everywhere


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_down(module):
    assert module in LEVEL, f"give {module} a line in tests/test_architecture.py"
    for other in filter(None, imported_modules(MODULES[module])):
        assert other in LEVEL, f"{module} imports {other}, which has no line"
        assert LEVEL[other] < LEVEL[module], f"{module} must not import {other}"


def test_api_page_lists_every_module():
    page = "".join(path.read_text() for path in (ROOT / "book").glob("api*.md"))
    public = [m for m in MODULES if MODULES[m].name not in ("__init__.py", "__main__.py")]
    missing = [m for m in public if f"automodule:: volpose.{m}\n" not in page]
    assert not missing, f"the API pages do not mention {missing}"


@pytest.mark.parametrize("folder", ["volpose", "tools"])
def test_files_and_functions_are_short(folder):
    too_long = []
    for path in (ROOT / folder).rglob("*.py"):
        text = path.read_text()
        if len(text.splitlines()) > LONGEST_FILE:
            too_long.append(f"{path.relative_to(ROOT)} has {len(text.splitlines())} lines")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                first = node.body[1] if ast.get_docstring(node) and node.body[1:] else node.body[0]
                lines = node.end_lineno - first.lineno + 1
                if lines > LONGEST_FUNCTION:
                    too_long.append(f"{path.name}: {node.name} has {lines} lines")
    assert not too_long, "\n".join(too_long)
