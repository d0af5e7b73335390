"""The embedder process as the site sees it."""


def health() -> dict[str, str]:
    return {"state": "away"}
