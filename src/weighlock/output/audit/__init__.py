"""Renderers of an audit, one per file; the HTML page is put together from several."""
