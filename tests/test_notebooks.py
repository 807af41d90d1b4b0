"""Do the notebooks run on the sample company, and are they stored without output?"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def test_there_are_notebooks() -> None:
    assert len(NOTEBOOKS) >= 2


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_notebook_is_stored_without_output(path: Path) -> None:
    import nbformat

    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        assert not cell.get("outputs"), f"{path.name} holds output: clear it before committing"
        assert cell.get("execution_count") is None


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the notebook machinery, not of ours
def test_a_notebook_runs(path: Path, tmp_path: Path) -> None:
    import matplotlib.font_manager  # builds the font list here, so that the kernel need not say so
    import nbformat
    from nbclient import NotebookClient

    assert matplotlib.font_manager.fontManager.ttflist

    folder = tmp_path / "notebooks"
    folder.mkdir()
    (tmp_path / "data").symlink_to(ROOT / "data")
    shutil.copy(path, folder)
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    )
    client.execute()
    shown = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert shown, f"{path.name} shows nothing"
    noise = [o["text"] for o in shown if o["output_type"] == "stream" and o["name"] == "stderr"]
    assert noise == [], f"{path.name} writes warnings: {noise}"
