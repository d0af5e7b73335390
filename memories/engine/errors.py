"""What can go wrong. Every message is one line that says what happened and what to do."""


class MemvidError(Exception):
    """Base of every failure a person can act on; the command prints it as it is and exits 1."""


class UsageError(MemvidError):
    """The call itself is wrong (unknown key, bad value, contradiction); the command exits 2."""


class NotAMemory(MemvidError):
    """The file is not a memory, or was made to look like one."""


class Damaged(MemvidError):
    """Something in the file does not verify; the message names commit and frame."""


class Locked(MemvidError):
    """Another writer holds the file."""


class Conflict(MemvidError):
    """The head is not the parent that the caller expected."""


class Taken(MemvidError):
    """Something else has taken the name that a new file was to get."""


class NotFound(MemvidError):
    """No such document, chunk, commit or frame in this memory."""


class Unsupported(MemvidError):
    """A format, codec or configuration that this build cannot write or read."""


class IngestError(MemvidError):
    """A source file could not be parsed; the message says why."""
