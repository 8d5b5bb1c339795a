"""From `providers.yaml` to a Config."""
