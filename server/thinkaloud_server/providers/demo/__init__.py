"""The demo models: scripted answers, deterministic in (messages, seed), that need no key and no network."""

from thinkaloud_server.providers.demo.scenes import MODELS
from thinkaloud_server.providers.demo.script import script
from thinkaloud_server.providers.demo.step import Pause, Step

__all__ = ["MODELS", "Pause", "Step", "script"]
