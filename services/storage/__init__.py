"""Object storage: S3 or a local folder behind one small interface; atomic publishing; models and datasets."""

from services.storage.location import open_store

__all__ = ["open_store"]
