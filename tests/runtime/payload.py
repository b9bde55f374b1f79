"""What a malicious file would do, inert."""

from __future__ import annotations

import os
from pathlib import Path


class Payload:
    """Unpickled, it makes a folder, which is how a test sees that code of a file ran."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)
