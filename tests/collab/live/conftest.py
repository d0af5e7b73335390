import pytest

from memories.models import Memory


@pytest.fixture(autouse=True)
def closed(no_connection_left) -> None:
    """Every test here opens sockets or has jobs in threads."""


@pytest.fixture
def memory(new_memory) -> Memory:
    return new_memory({"a.md": "call me ishmael\n", "b.md": "it was the best of times\n"})
