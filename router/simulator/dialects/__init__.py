"""The dialects of the simulated vendors, as pure functions of what is said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from router.simulator.dialects.anthropic import Anthropic
from router.simulator.dialects.base import Dialect
from router.simulator.dialects.gemini import Gemini
from router.simulator.dialects.openai import OpenAI

DialectName = Literal["openai", "anthropic", "gemini"]
DIALECTS: Mapping[DialectName, Dialect] = {"openai": OpenAI(), "anthropic": Anthropic(), "gemini": Gemini()}
