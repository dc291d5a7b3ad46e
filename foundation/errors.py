"""The one exception that a person, not a programmer, is meant to read."""


class UserError(Exception):
    """A mistake in what the user gave us: a file, a key, a value, a missing package.

    The command line prints its message without a traceback and exits with code 2, so the message
    must name what is wrong, where, and what would mend it. A traceback, by contrast, means a bug.
    """
