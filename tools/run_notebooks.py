"""Run the notebooks and keep their pictures, without the sound.

`python tools/run_notebooks.py` runs all, `python tools/run_notebooks.py 01` those whose
names begin so.
"""

from __future__ import annotations

import re
import sys
import tempfile

import nbformat
from nbclient import NotebookClient

from coconet import places
from coconet.files import atomic_path

#: Folders whose names are new in every run.
TEMPORARY = re.compile(re.escape(tempfile.gettempdir()) + r"/tmp\w+")


def main() -> None:
    for path in sorted((places.root() / "notebooks").glob("*.ipynb")):
        if not path.name.startswith(tuple(sys.argv[1:]) or ""):
            continue
        print(path.name)
        notebook = nbformat.read(path, as_version=4)
        NotebookClient(
            notebook,
            timeout=3600,
            kernel_name="python3",
            resources={"metadata": {"path": str(path.parent)}},
        ).execute()
        for cell in notebook.cells:
            # What a run leaves behind changes every time and helps no reader.
            cell.metadata.pop("execution", None)
            if cell.cell_type == "code":
                cell.outputs = [o for o in cell.outputs if not _passing(o)]
                for output in cell.outputs:
                    if "text" in output:
                        output.text = TEMPORARY.sub("/tmp/…", output.text)
        notebook.metadata.pop("widgets", None)
        with atomic_path(path) as temporary:
            nbformat.write(notebook, temporary)


def _passing(output: nbformat.NotebookNode) -> bool:
    """Whether an output is for the moment only: sound, or a progress bar."""
    return output.get("name") == "stderr" or "<audio" in str(output.get("data"))


if __name__ == "__main__":
    main()
