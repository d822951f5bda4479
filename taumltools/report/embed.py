"""Bokeh models as compressed JSON inside the page, the same bytes for the same content."""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Mapping
from typing import Any

_MODEL_ID = re.compile(r"p\d+")


def plots_json(models: Mapping[str, Any]) -> str:
    """All plots of a page as one JSON text.

    Args:
        models: bokeh model by the id of the element it goes into.

    Returns:
        ``{element id: item}``; items are what ``Bokeh.embed.embed_item`` takes. Model ids count
        from one in page order, whatever was made before in the same process.
    """
    from bokeh.embed import json_item

    for model in models.values():
        _slim(model)
    items = {target: json_item(model, target) for target, model in models.items()}
    return json.dumps(renumbered(items), separators=(",", ":"), allow_nan=False)


def packed(text: str) -> str:
    """A text as a page carries it: compressed, in letters and digits; the page's script unpacks it.

    Examples:
        >>> packed("τ")[:10], len(packed("τ" * 1000)) < 100
        ('H4sIAAAAAA', True)
    """
    return base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()


def plots_of(page: str) -> dict[str, Any]:
    """The plots that a page carries, as :func:`plots_json` has them."""
    found = re.search(r'id="plots">([^<]*)<', page)
    content: dict[str, Any] = json.loads(gzip.decompress(base64.b64decode(found[1]))) if found else {}
    return content


def _slim(model: Any) -> None:
    """Leave out how glyphs look when others are selected, which no page lets one do: a third of all models."""
    from bokeh.models import GlyphRenderer

    for renderer in model.select({"type": GlyphRenderer}):
        renderer.nonselection_glyph = renderer.muted_glyph = "auto"


def renumbered(content: Any) -> Any:
    """The same JSON content with model ids counted from one in order of appearance.

    Args:
        content: plain JSON types; bokeh ids are ``p`` and a number, in ``id`` or ``root_id``.

    Returns:
        A copy.

    Examples:
        >>> renumbered([{"id": "p1007"}, {"id": "p1002"}, {"root_id": "p1007", "name": "p1007"}])
        [{'id': 'p1'}, {'id': 'p2'}, {'root_id': 'p1', 'name': 'p1007'}]
    """
    return _walk(content, {})


def _walk(content: Any, names: dict[str, str]) -> Any:
    if isinstance(content, dict):
        return {
            key: _new_id(value, names) if key in {"id", "root_id"} else _walk(value, names)
            for key, value in content.items()
        }
    if isinstance(content, list | tuple):
        return [_walk(value, names) for value in content]
    return content


def _new_id(value: Any, names: dict[str, str]) -> Any:
    if not (isinstance(value, str) and _MODEL_ID.fullmatch(value)):
        return _walk(value, names)
    return names.setdefault(value, f"p{len(names) + 1}")


def library() -> str:
    """BokehJS with widgets as JavaScript text, to be put into the page."""
    from bokeh.resources import Resources

    resources = Resources(mode="inline", components=["bokeh", "bokeh-widgets"], minified=True)
    return "\n".join(resources.js_raw)
