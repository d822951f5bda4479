"""A table of runs: what they are and how good they are; as text, CSV and HTML."""

from __future__ import annotations

import csv
import datetime
import fnmatch
import html
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from taumltools.errors import ConfigError, InputError
from taumltools.training.tracking.importing import origin_of
from taumltools.training.tracking.record import RunRecord
from taumltools.training.tracking.stores import TrackingStore

ALWAYS = ("run", "model", "status", "started", "minutes", "run_id", "experiment")
"""What is known of every run, besides its settings and figures."""

TEXT_COLUMNS = ("run", "model", "status", "minutes", "parameters")
"""Columns that are shown first, where nothing else is asked for."""

FIGURES = ("best_val_loss", "best_val_auc_*", "test_auc_*", "best_loss")
"""Figures of runs of this project that are shown, where nothing else is asked for."""

OTHER_FIGURES = ("val_loss", "loss", "val_weighted_tau_crossentropy_v2", "weighted_tau_crossentropy_v2")
"""Figures that are shown of runs that lack those: runs in progress, and those of the legacy programs."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Results:
    """A table of runs.

    Attributes:
        columns: names, in order.
        rows: one per run, values by name; what a run lacks is not in it.
    """

    columns: tuple[str, ...]
    rows: tuple[Row, ...]

    def as_csv(self) -> str:
        """Comma-separated values, numbers in full."""
        text = io.StringIO()
        table = csv.DictWriter(text, self.columns, restval="", extrasaction="ignore", lineterminator="\n")
        table.writeheader()
        table.writerows(self.rows)
        return text.getvalue()

    def as_text(self) -> str:
        """Columns of a terminal."""
        cells = [list(self.columns), *([shown(row.get(name)) for name in self.columns] for row in self.rows)]
        widths = [max(len(line[place]) for line in cells) for place in range(len(self.columns))]
        lines = ["  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)) for line in cells]
        lines.insert(1, "  ".join("-" * width for width in widths))
        return "\n".join(line.rstrip() for line in lines) + "\n"

    def as_html(self, title: str) -> str:
        """One page that needs nothing else; a click on a heading sorts.

        Args:
            title: of the page.

        Returns:
            The page.
        """
        head = "".join(f"<th>{html.escape(name)}</th>" for name in self.columns)
        body = "\n".join("<tr>" + "".join(_cell(row.get(name)) for name in self.columns) + "</tr>" for row in self.rows)
        return PAGE.format(title=html.escape(title), head=head, body=body)


def collect(store: TrackingStore, experiments: Sequence[str] = (), condition: str = "") -> list[Row]:
    """What is known of the runs of a store.

    Args:
        store: the store.
        experiments: names of experiments; empty: all.
        condition: in mlflow's grammar for searching, e.g. ``metrics.best_val_loss < 0.3``; empty: all.

    Returns:
        A row per run, with settings and figures by their names, the first ones first.

    Raises:
        InputError: there is no such experiment, or no run.
        ConfigError: the condition cannot be understood.
    """
    known = store.experiments()
    if absent := [name for name in experiments if name not in known]:
        raise InputError(f"{store.uri} has no experiment '{absent[0]}'; it has {', '.join(sorted(known)) or 'none'}")
    names = {identity: name for name, identity in known.items() if not experiments or name in experiments}
    rows = [_row(run, names[run.info.experiment_id]) for run in _search(store, list(names), condition)]
    if not rows:
        raise InputError(
            f"{store.uri} has no run{f' with {condition}' if condition else ''}; law run ImportRuns imports them"
        )
    return rows


def _search(store: TrackingStore, ids: list[str], condition: str) -> list[Any]:
    from mlflow.exceptions import MlflowException

    found, token = [], None
    while ids:
        try:
            order = ["attributes.start_time ASC"]
            page = store.client.search_runs(ids, filter_string=condition, order_by=order, page_token=token)
        except MlflowException as error:
            raise ConfigError(
                f"the condition '{condition}' is not understood: {error}; expected e.g. metrics.best_val_loss < 0.3 and "
                "params.`model.name` = 'deepset'"
            ) from error
        found += page
        token = page.token
        if not token:
            break
    return found


def _row(run: Any, experiment: str) -> Row:
    info = run.info
    times = (info.start_time, info.end_time)
    names = (info.run_name, info.status, origin_of(run), experiment)
    return _known(*names, *times, run.data.tags, run.data.params, run.data.metrics)


def record_row(record: RunRecord) -> Row:
    """What is known of a run that is in no store of mlflow, from its log, in the same words.

    Args:
        record: the run.

    Returns:
        Its row, as one of :func:`collect`.
    """
    last = {point.name: point.value for point in sorted(record.points, key=lambda point: (point.step, point.time))}
    names = (record.name, record.status, record.run_id, record.experiment)
    return _known(*names, record.start, record.end, record.tags, record.params, last)


def _known(
    name: str,
    status: str,
    run_id: str,
    experiment: str,
    start: int,
    end: int | None,
    tags: Mapping[str, str],
    params: Mapping[str, str],
    metrics: Mapping[str, float],
) -> Row:
    always = {
        "run": name,
        "model": tags.get("model") or params.get("model.name") or params.get("model_name", ""),
        "status": status,
        "started": datetime.datetime.fromtimestamp(start / 1000, datetime.UTC).strftime("%Y-%m-%d %H:%M"),
        "minutes": round(((end or start) - start) / 60000, 1),
        "run_id": run_id,
        "experiment": experiment,
    }
    figures = dict(metrics)
    if "parameters" not in figures and "n_train_params" in params:
        figures["parameters"] = float(params["n_train_params"])
    return dict(params) | {k: int(v) if k == "parameters" else v for k, v in figures.items()} | always


def choose(rows: Sequence[Row], columns: Sequence[str] = (), sort: str = "") -> Results:
    """Choose and order what is shown.

    Args:
        rows: of :func:`collect`.
        columns: names, or patterns such as ``best_val_auc_*``; empty: what the runs are, the settings in which they
            differ, losses and areas under curves.
        sort: column to sort by, ``-`` before it sorts downwards; runs that lack it come last.  Empty: as they began.

    Returns:
        The table.

    Raises:
        ConfigError: no run has such a column.
    """
    known = sorted({name for row in rows for name in row})
    chosen = list(columns) or _usual(rows, known)
    found: list[str] = []
    for pattern in chosen:
        matching = [name for name in known if fnmatch.fnmatchcase(name, pattern)]
        if not matching and columns:
            raise ConfigError(f"no run has '{pattern}'; there are {', '.join(known)}")
        found += [name for name in matching if name not in found]
    key = sort.removeprefix("-")
    if key and key not in known:
        raise ConfigError(f"runs cannot be sorted by '{key}', which none has; there are {', '.join(known)}")
    have = [row for row in rows if _is_there(row.get(key))] if key else list(rows)
    have = sorted(have, key=lambda row: _order(row[key]), reverse=sort.startswith("-")) if key else have
    return Results(tuple(found), (*have, *(row for row in rows if key and not _is_there(row.get(key)))))


def _usual(rows: Sequence[Row], known: Sequence[str]) -> list[str]:
    figures = [name for name in FIGURES if any(fnmatch.fnmatchcase(known_name, name) for known_name in known)]
    if any(not any(fnmatch.fnmatchcase(name, FIGURES[0]) for name in row) for row in rows):
        figures += [name for name in OTHER_FIGURES if name in known]
    return [*TEXT_COLUMNS, *differing(rows), *figures]


def differing(rows: Sequence[Row]) -> list[str]:
    """Names of the settings in which runs differ.

    Args:
        rows: one per run.

    Returns:
        The names, sorted.

    Examples:
        >>> differing([{"run": "a", "seed": "1", "dropout": "0.1"}, {"run": "b", "seed": "1", "dropout": "0.2"}])
        ['dropout']
    """
    names = sorted({name for row in rows for name, value in row.items() if isinstance(value, str)} - set(ALWAYS))
    return [name for name in names if len({str(row.get(name)) for row in rows}) > 1]


def _is_there(value: Any) -> bool:
    return value is not None and value != "" and not (isinstance(value, float) and math.isnan(value))


def _order(value: Any) -> tuple[int, float, str]:
    """Numbers by size, before texts."""
    try:
        return 0, float(value), ""
    except ValueError:
        return 1, 0.0, str(value)


def shown(value: Any) -> str:
    """A value as people read it.

    Args:
        value: any.

    Returns:
        A few digits of a number, else its text.

    Examples:
        >>> shown(0.123456789), shown(1151378), shown("x"), shown(None)
        ('0.12346', '1151378', 'x', '')
    """
    if value is None:
        return ""
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def _cell(value: Any) -> str:
    kind = ' class="number"' if isinstance(value, int | float) else ""
    exact = f' data-value="{value!r}"' if isinstance(value, int | float) else ""
    return f"<td{kind}{exact}>{html.escape(shown(value))}</td>"


PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>
body {{ font: 14px/1.4 system-ui, sans-serif; margin: 2em; color: #1b1f24; }}
table {{ border-collapse: collapse; }}
th, td {{ padding: 0.3em 0.8em; border-bottom: 1px solid #d8dee4; text-align: left; white-space: nowrap; }}
th {{ cursor: pointer; position: sticky; top: 0; background: #fff; }}
td.number {{ text-align: right; font-variant-numeric: tabular-nums; }}
</style></head><body><h1>{title}</h1><table><thead><tr>{head}</tr></thead><tbody>
{body}
</tbody></table><script>
document.querySelectorAll("th").forEach((head, place) => head.addEventListener("click", () => {{
  const body = document.querySelector("tbody"), up = head.dataset.up !== "1";
  head.dataset.up = up ? "1" : "0";
  const value = row => row.cells[place].dataset.value ?? row.cells[place].textContent;
  const number = text => text === "" ? Infinity : Number(text);
  [...body.rows].sort((a, b) => {{
    const x = value(a), y = value(b), byNumber = number(x) - number(y);
    return (up ? 1 : -1) * (Number.isNaN(byNumber) ? x.localeCompare(y) : byNumber);
  }}).forEach(row => body.append(row));
}}));
</script></body></html>
"""
