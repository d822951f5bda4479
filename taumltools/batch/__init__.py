"""What HTCondor's states, hold reasons and exit codes mean, and what to do about each.

The deciding parts are pure functions (``states``, ``decide``); ``pool`` is the one module
that speaks to HTCondor, ``journal`` the one that remembers on disk, and ``driver`` the
loop that joins them.  Nothing here knows about law.
"""
