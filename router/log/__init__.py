"""The log of a run: events as JSON lines, scrubbed of keys."""
