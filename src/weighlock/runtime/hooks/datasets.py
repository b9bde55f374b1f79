"""Guards the scripts that datasets takes from repositories and folders: until its version 4 a dataset may be code.

## Covers

- Loading scripts of datasets and metrics, which are copied to a folder of modules and imported from there: they must be
  locked with ``remote-code = true``. Choke point: `import_main_class`.
- Files of data (Parquet, JSON, CSV, text) are read through huggingface_hub, whose hooks verify them.

## Does not cover

- Data itself: nothing of it is executed. Pickles inside it (extension types of pyarrow before 21, where a program asks
  for them) are held to names that do no harm, like every pickle.
- Data that do not come from a Hub, such as those of `load_from_disk`, and the Arrow files that the library has prepared
  on this machine: nobody compares their bytes with the lockfile.
"""

from __future__ import annotations

from weighlock.runtime import _code

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

    from weighlock.runtime._patch import Patches


def patch(module: ModuleType, patches: Patches) -> None:
    """Check that ``datasets.load`` imports scripts as it used to; they are judged when they are imported.

    Raises:
        LookupError: A choke point is gone, or code is run in another way.
    """
    _code.require_importing(module, "import_main_class")
    patches.points.append("import_main_class")
