"""Taking credentials out of what is shown."""

from __future__ import annotations

import re

# Every repetition is bounded, so that hostile text costs no more than its length.
_USERINFO = re.compile(r"(\b[A-Za-z][A-Za-z0-9+.-]{0,30}://)[^\s/?#]{0,4000}@")
_SECRET = re.compile(r"([?&][A-Za-z0-9_-]{0,40}(?:token|key|sig|signature|secret|password)=)[^\s&#]+", re.IGNORECASE)


def redacted(text: str) -> str:
    """Return `text` with the credentials of every URL in it taken out."""
    return _SECRET.sub(r"\1****", _USERINFO.sub(r"\1****@", text))
