"""Run the notebooks and keep their pictures, without the sound: `python tools/run_notebooks.py`."""

from __future__ import annotations

import nbformat
from nbclient import NotebookClient

from coconet import places
from coconet.files import atomic_path


def main() -> None:
    for path in sorted((places.root() / "notebooks").glob("*.ipynb")):
        print(path.name)
        notebook = nbformat.read(path, as_version=4)
        NotebookClient(
            notebook,
            timeout=600,
            kernel_name="python3",
            resources={"metadata": {"path": str(path.parent)}},
        ).execute()
        for cell in notebook.cells:
            # What a run leaves behind changes every time and helps no reader.
            cell.metadata.pop("execution", None)
            if cell.cell_type == "code":
                cell.outputs = [o for o in cell.outputs if "<audio" not in str(o.get("data"))]
        notebook.metadata.pop("widgets", None)
        with atomic_path(path) as temporary:
            nbformat.write(notebook, temporary)


if __name__ == "__main__":
    main()
