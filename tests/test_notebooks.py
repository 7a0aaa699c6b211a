"""Every notebook runs from top to bottom, shortened by its cell of parameters."""

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).resolve().parents[1] / "notebooks").glob("*.ipynb"))
#: What the tests put in place of a notebook's own values.
SHORT = {
    "PASSES": "2",
    "MINUTES": "0.001",
    "EVERY": "50",
    "BATCH": "2",
    "PIECES": "6",
    "REFEREED": "1",
    "ORDERS": "1",
    "PAPER_UPDATES": "2",
    "SAMPLES": "2",
    "VERSIONS": "2",
    "NEAREST": "1",
    "PHRASES": "1",
    "CLIP": "8",
    "BAR": "4",
    "THIRD": "1.0",
    "FINALE": "1",
    "RECORDED": "range(48, 85, 18)",
}


def _named(path):
    return path.stem


@pytest.mark.parametrize("path", NOTEBOOKS, ids=_named)
def test_a_notebook_runs(path, tmp_path):
    notebook = nbformat.read(path, as_version=4)
    cells = [c for c in notebook.cells if "parameters" in c.metadata.get("tags", [])]
    assert len(cells) == 1, "one cell is tagged 'parameters'"
    for name, value in SHORT.items():
        pattern = rf"^{name} = .*$"
        cells[0].source = re.sub(pattern, f"{name} = {value}", cells[0].source, flags=re.M)
    client = NotebookClient(
        notebook, timeout=300, kernel_name="python3",
        resources={"metadata": {"path": str(tmp_path)}},
    )  # fmt: skip
    client.execute()
    numbers = [c.execution_count for c in notebook.cells if c.cell_type == "code" and c.source]
    assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=_named)
def test_a_notebook_is_committed_without_errors_and_without_sound(path):
    text = path.read_text(encoding="utf-8")
    assert '"output_type": "error"' not in text
    assert "data:audio" not in text
    assert path.stat().st_size < 1_500_000
    nbformat.validate(nbformat.reads(text, as_version=4))
