"""The reasoning that some language models write before their answer, between `<think>` and `</think>`."""

OPEN, CLOSE = "<think>", "</think>"


class Thinking:
    """Leaves it out of a streamed text; a tag may be cut anywhere between two pieces. Later in a text it is text."""

    def __init__(self) -> None:
        self._held = ""
        self._over = False

    def feed(self, piece: str) -> str:
        if self._over:
            return piece
        self._held = (self._held + piece).lstrip()
        while self._held.startswith(OPEN):
            thought, closed, rest = self._held.partition(CLOSE)
            if not closed:  # of what was thought only what may begin its end is kept
                self._held = OPEN + thought[len(OPEN) :][1 - len(CLOSE) :]
                return ""
            self._held = rest.lstrip()
        self._over = not OPEN.startswith(self._held)  # else it may still become one
        return self._held if self._over else ""

    def close(self) -> str:
        """What was held back and became no tag."""
        return "" if self._over or self._held.startswith(OPEN) else self._held
