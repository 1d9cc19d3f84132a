"""Keeps sessions."""
import os.path
from collections import OrderedDict as Ordered

LIMIT = 16
limit, other = 1, 2


class Session(Base):
    """One session."""

    retries: int = 3

    def __init__(self, name: Name):
        """Opens it."""
        self.name = normalize(name)  # once

    @property
    def label(self):
        return self.name.upper()

    class Meta:
        ordering = "name"


@cached(ttl=3)
async def fetch(url):
    # Follows redirects.
    def inner():
        return url
    return await client.get(inner())


if LIMIT:
    def late():
        pass
