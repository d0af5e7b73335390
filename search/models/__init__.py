from .asked import Conversation, Turn
from .index import Embedding, EmbeddingModel, Posting, Segment
from .saved import LoggedQuery, SavedSearch

__all__ = [
    "Conversation",
    "Embedding",
    "EmbeddingModel",
    "LoggedQuery",
    "Posting",
    "SavedSearch",
    "Segment",
    "Turn",
]
