"""Where a simulated vendor listens."""

from __future__ import annotations

from dataclasses import dataclass

from router.simulator.dialects import DialectName

PATHS: dict[DialectName, str] = {"openai": "/v1", "anthropic": "", "gemini": "/v1beta"}
STATS_PATH = "/_simulator/stats"
TROUBLES_PATH = "/_simulator/troubles"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One running vendor; `base_url` is what LiteLLM takes as `api_base`."""

    name: str
    dialect: DialectName
    base_url: str

    @property
    def root(self) -> str:
        """The address without a path, `http://127.0.0.1:41234`."""
        return self.base_url.removesuffix(PATHS[self.dialect])
