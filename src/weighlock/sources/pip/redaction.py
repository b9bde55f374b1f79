"""Taking credentials out of what is shown."""

from __future__ import annotations

import re

_USERINFO = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://)[^\s/?#]*@")
_SECRET = re.compile(r"([?&](?:[A-Za-z0-9_-]*(?:token|key|sig|signature|secret|password))=)[^\s&#]+", re.IGNORECASE)


def redacted(text: str) -> str:
    """Return `text` with the credentials of every URL in it taken out."""
    return _SECRET.sub(r"\1****", _USERINFO.sub(r"\1****@", text))
