from __future__ import annotations

import json

from taumltools.report.embed import library, packed, plots_json, plots_of, renumbered
from taumltools.report.figures import add_hover, add_legend, new_figure


def make_plot(label: str) -> object:
    plot = new_figure("x", "y")
    line = plot.line([1, 2], [3, 4], name=label)
    add_legend(plot, [(label, [line])])
    add_hover(plot, [line], [("x", "@x")])
    return plot


def test_same_plots_give_the_same_text_in_one_process():
    assert plots_json({"plot-1": make_plot("a")}) == plots_json({"plot-1": make_plot("a")})
    assert plots_json({"plot-1": make_plot("a")}) != plots_json({"plot-1": make_plot("b")})


def test_every_reference_is_defined_before_it_is_used():
    items = json.loads(plots_json({"plot-1": make_plot("a"), "plot-2": make_plot("b")}))
    for item in items.values():
        defined: set[str] = set()

        def walk(content: object, defined: set[str] = defined) -> None:
            if isinstance(content, dict):
                if "type" in content and "id" in content:
                    defined.add(content["id"])
                elif "id" in content:
                    assert content["id"] in defined
                for value in content.values():
                    walk(value)
            elif isinstance(content, list):
                for value in content:
                    walk(value)

        walk(item["doc"]["roots"])
        assert item["root_id"] in defined


def test_text_cannot_end_its_element():
    text = plots_json({"plot-1": make_plot("</script><b>")})
    assert "<" not in packed(text)
    page = f'<script type="text/plain" id="plots">{packed(text)}</script><script>x</script>'
    assert plots_of(page) == json.loads(text)


def test_glyphs_have_one_look_only():
    """What others look like when one is selected was a third of all models."""
    line, *_ = json.loads(plots_json({"plot-1": make_plot("a")}))["plot-1"]["doc"]["roots"][0]["attributes"][
        "renderers"
    ]
    assert line["attributes"]["nonselection_glyph"] == line["attributes"]["muted_glyph"] == "auto"


def test_tuples_are_renumbered_too():
    assert renumbered(("x", [{"id": "p7"}])) == ["x", [{"id": "p1"}]]
    assert renumbered({"id": ["p7"], "name": "p9"}) == {"id": ["p7"], "name": "p9"}


def test_library_is_inside_and_small():
    text = library()
    assert 1e6 < len(text) < 2.5e6
    assert "Select" in text
