"""Files that a person names as an argument of pip, read whole and bounded."""

from __future__ import annotations

from weighlock.errors import UsageError


def read_text(path: str, most: int) -> str:
    """Return the text of a file.

    Args:
        path: Of the file.
        most: Bytes.

    Raises:
        UsageError: It cannot be read, is larger or is no text.
    """
    try:
        with open(path, "rb") as file:
            data = file.read(most + 1)
        if len(data) > most:
            raise UsageError("is too large", where=path, hint=f"it may have {most} bytes")
        return data.decode()
    except OSError as error:
        hint = "name a file that is there and that you may read"
        raise UsageError(f"cannot be read: {error.strerror}", where=path, hint=hint) from None
    except UnicodeDecodeError:
        raise UsageError("is not text in UTF-8", where=path, hint="save it as UTF-8") from None
