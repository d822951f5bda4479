"""The law tasks of the pipeline: when and where the library's functions run.

Only law, luigi and the standard library are imported when a module here is loaded, so
that ``law index`` and ``law run X --help`` stay fast; everything else is imported inside
the methods that need it.
"""

from __future__ import annotations
