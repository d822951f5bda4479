"""Lines for people that begin with the name of a task."""

from __future__ import annotations


def line(name: str, text: str) -> str:
    """A text about a task, with its name in front, once.

    Args:
        name: of the task.
        text: what is said, which may begin with the name itself.

    Returns:
        The line.

    Examples:
        >>> line("DY", "killed"), line("DY", "CRAB task 'DY': killed"), line("DY", "DY: killed")
        ('DY: killed', 'DY: killed', 'DY: killed')
    """
    for beginning in (f"CRAB task '{name}': ", f"{name}: "):
        text = text.removeprefix(beginning)
    return f"{name}: {text}"
