"""TAR shards: read as a stream, written, indexed. Nothing here knows torch."""
