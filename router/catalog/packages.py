"""Packages that only some vendors need, and the extra of `router` that brings each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Need(NamedTuple):
    """A package by its name on PyPI and the extra that brings it."""

    package: str
    extra: str


BOTO, GOOGLE = Need("boto3", "bedrock"), Need("google-auth", "google")
NEEDS: Mapping[str, Need] = {
    **dict.fromkeys(("bedrock", "bedrock_converse", "sagemaker", "sagemaker_chat", "sagemaker_nova"), BOTO),
    **dict.fromkeys(("vertex_ai", "vertex_ai_beta"), GOOGLE),
}
"""By LiteLLM's prefix: what signs its calls."""
IMPORTS: Mapping[str, Need] = {"boto3": BOTO, "botocore": BOTO, "google": GOOGLE}
"""By the name that an import asks for."""
