"""The slow work, a module for each kind of it."""

from .house import delete_memory_files, follow_files, keep_house
from .run import HANDLERS, run

__all__ = ["HANDLERS", "delete_memory_files", "follow_files", "keep_house", "run"]
