"""The root of every error Sortline raises on purpose.

Each module defines the errors it raises, with the facts as attributes and a message of one line that says what to do:

    SortlineError
    ├── ImageError           engine/image.py       a picture that cannot be read
    ├── BundleError          engine/bundle.py      a bundle that cannot be trusted
    └── …

`api/errors.py` alone knows which HTTP status each becomes; the command line prints the message.
"""


class SortlineError(Exception):
    """Base of all errors a caller can act on."""
