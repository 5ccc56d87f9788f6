"""Reads ListFoundationModels, which Bedrock's control plane answers, at a host of its own.

A model that is run through inference profiles alone is named by that of the region's part of the world.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from thinkaloud_server.core.request import ModelInfo
from thinkaloud_server.providers.dialect import Endpoint, HttpRequest
from thinkaloud_server.providers.fact import any_of, at
from thinkaloud_server.providers.http import endpoint_url, request_headers
from thinkaloud_server.providers.lenient import read_strictly

_RUNTIME = re.compile(r"(?<=//)bedrock-runtime((?:-fips)?\.)")
_REGION = re.compile(r"//bedrock-runtime(?:-fips)?\.(us-gov|us|eu|ap)-")
# The beginnings of the names of inference profiles, by the beginnings of regions.
_PROFILES = {"us": "us.", "eu": "eu.", "ap": "apac.", "us-gov": "us-gov."}


def listing_request(endpoint: Endpoint) -> HttpRequest:
    """The request for the listing of the models that write text."""
    control = replace(endpoint, base_url=_RUNTIME.sub(r"bedrock\1", endpoint.base_url))
    url = endpoint_url(control, endpoint.vendor.models_path, query={"byOutputModality": "TEXT"})
    return HttpRequest("GET", url, request_headers(endpoint, accept="application/json"))


def read_models(endpoint: Endpoint, body: bytes) -> Sequence[ModelInfo]:
    """The models that can chat, each once, in the listing's order. Raises ValueError for what is no listing."""
    items = at(read_strictly(body), "modelSummaries")
    if not isinstance(items, list):
        raise ValueError("no listing of models")  # noqa: TRY004 - one error for all that is no listing
    models: dict[str, ModelInfo] = {}
    for item in items:
        if isinstance(item, dict) and (name := _name(endpoint, item)):
            vision = any_of(item, ("inputModalities:IMAGE",)) is True
            models.setdefault(name, ModelInfo(name, endpoint.provider, vision=vision))
    return tuple(models.values())


def _name(endpoint: Endpoint, item: dict[str, Any]) -> str:
    """The name to run the model by; "" for one that cannot be chatted with from here."""
    name = item.get("modelId")
    if not isinstance(name, str) or item.get("responseStreamingSupported") is False:
        return ""
    if any_of(item, ("outputModalities:TEXT",)) is False:
        return ""
    ways = item.get("inferenceTypesSupported")
    if not isinstance(ways, list) or "ON_DEMAND" in ways:
        return name
    region = _REGION.search(endpoint.base_url)
    return _PROFILES[region[1]] + name if region and "INFERENCE_PROFILE" in ways else ""
