"""What a page is made of: plain frozen pieces; how they look is in the template."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar


@dataclass(frozen=True)
class Text:
    """A paragraph.

    Attributes:
        text: plain text; the template escapes it.
        note: True for what is missing or needs care.
    """

    kind: ClassVar[str] = "text"
    text: str
    note: bool = False


@dataclass(frozen=True)
class Card:
    """One headline number.

    Attributes:
        value: the number as text.
        label: what it is.
        facts: name and value of what belongs to it.
    """

    value: str
    label: str
    facts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Cards:
    """Headline numbers side by side."""

    kind: ClassVar[str] = "cards"
    cards: tuple[Card, ...]


@dataclass(frozen=True)
class Facts:
    """Names and values in a few columns."""

    kind: ClassVar[str] = "facts"
    facts: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Table:
    """A table; cells that are numbers are right-aligned.

    Attributes:
        columns: headings; those before ``text_columns`` are text.
        rows: cells as text.
        caption: what the table shows.
        text_columns: number of leading columns with text.
        total: True if the last row is a sum.
        shades: background strength from 0 to 1 of each cell, same shape as ``rows``; or empty.
        links: where the first cell of each row leads, one address a row, empty for none; or empty.
    """

    kind: ClassVar[str] = "table"
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""
    text_columns: int = 1
    total: bool = False
    shades: tuple[tuple[float, ...], ...] = ()
    links: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plot:
    """An interactive plot.

    Attributes:
        model: a bokeh model.
        caption: what to look at.
        title: a short heading.
    """

    kind: ClassVar[str] = "plot"
    model: Any
    caption: str = ""
    title: str = ""


@dataclass(frozen=True)
class Grid:
    """Pieces side by side where there is room, below each other where not.

    Attributes:
        items: the pieces.
        columns: how many fit beside each other on a wide screen, 2 to 4.
    """

    kind: ClassVar[str] = "grid"
    items: tuple[Any, ...]
    columns: int = 2


@dataclass(frozen=True)
class Tabs:
    """Alternatives; all of them are printed on paper.

    Attributes:
        label: what is chosen.
        tabs: name and pieces of each alternative.
    """

    kind: ClassVar[str] = "tabs"
    label: str
    tabs: tuple[tuple[str, tuple[Any, ...]], ...]


@dataclass(frozen=True)
class Choice:
    """Alternatives behind a list, for more or longer names than :class:`Tabs` has room for; all are printed on paper.

    Attributes:
        label: what is chosen.
        options: name and pieces of each alternative.
    """

    kind: ClassVar[str] = "choice"
    label: str
    options: tuple[tuple[str, tuple[Any, ...]], ...]


@dataclass(frozen=True)
class Details:
    """Preformatted text that opens on demand."""

    kind: ClassVar[str] = "details"
    summary: str
    text: str


@dataclass(frozen=True)
class Section:
    """A section of the page.

    Attributes:
        anchor: its id.
        title: its heading.
        items: its pieces.
    """

    anchor: str
    title: str
    items: tuple[Any, ...] = field(default_factory=tuple)


def missing(what: str, how: str) -> Text:
    """A note for a section whose input was not given.

    Examples:
        >>> missing("Spectra", "CountSpectra").text
        'Spectra are not available: run CountSpectra.'
    """
    return Text(f"{what} are not available: run {how}.", note=True)


def choose(label: str, options: Sequence[tuple[str, Sequence[Any]]]) -> tuple[Any, ...]:
    """A choice among alternatives; a single one needs no list.

    Examples:
        >>> choose("Region", [("all", (Text("a"),))])
        (Text(text='a', note=False),)
    """
    found = tuple((name, tuple(items)) for name, items in options)
    return found[0][1] if len(found) == 1 else (Choice(label, found),)


def pieces(items: Sequence[Any]) -> Iterator[Any]:
    """All pieces in page order, each before those inside of it."""
    for item in items:
        yield item
        if isinstance(item, Grid):
            yield from pieces(item.items)
        elif isinstance(item, Tabs | Choice):
            for _, inside in item.tabs if isinstance(item, Tabs) else item.options:
                yield from pieces(inside)


def plots(items: Sequence[Any]) -> Iterator[Plot]:
    """All plots among pieces, in page order."""
    yield from (item for item in pieces(items) if isinstance(item, Plot))


def thousands(value: float) -> str:
    """An integer with thin spaces between thousands.

    Examples:
        >>> thousands(1234567).replace(chr(0x202F), "_")
        '1_234_567'
    """
    return f"{int(value):,}".replace(",", "\u202f")


def in_sentence(title: str) -> str:
    """A title as it stands inside of a sentence; abbreviations stay.

    Examples:
        >>> in_sentence("Charged isolation"), in_sentence("ECAL fraction")
        ('charged isolation', 'ECAL fraction')
    """
    return title if title[1:2].isupper() else title[:1].lower() + title[1:]


def percent(value: float | None, digits: int = 2) -> str:
    """A fraction in percent with so many significant digits; a dash if there is none.

    Examples:
        >>> percent(0.8123), percent(0.00123), percent(None)
        ('81%', '0.12%', '–')
    """
    if value is None:
        return "–"
    text = f"{100 * value:.{digits}g}"
    return f"{float(text):g}%" if "e" in text else f"{text}%"


def significant(value: float | None, digits: int = 3) -> str:
    """A number with so many significant digits; a dash if there is none.

    Examples:
        >>> significant(0.123456), significant(1234.5), significant(123.4, 2), significant(None)
        ('0.123', '1\u202f230', '120', '–')
    """
    if value is None:
        return "–"
    text = f"{value:.{digits}g}"
    if abs(float(text)) >= 1000:
        return thousands(float(text))
    # Fewer digits than the integer part has would give an exponent.
    return f"{float(text):g}" if "e+" in text else text
