"""The other direction: what a model says, written down in each dialect, for servers that stand in for a provider."""

from collections.abc import Mapping

from thinkaloud_server.providers.demo.step import Pause
from thinkaloud_server.providers.encoders.anthropic_messages import ANTHROPIC_MESSAGES
from thinkaloud_server.providers.encoders.bedrock_converse import BEDROCK_CONVERSE
from thinkaloud_server.providers.encoders.cohere_v2 import COHERE_V2
from thinkaloud_server.providers.encoders.encoding import Encoding, Frames, Name
from thinkaloud_server.providers.encoders.gemini import GEMINI
from thinkaloud_server.providers.encoders.ollama import OLLAMA
from thinkaloud_server.providers.encoders.openai_chat import OPENAI_CHAT
from thinkaloud_server.providers.encoders.openai_responses import OPENAI_RESPONSES
from thinkaloud_server.providers.encoders.step import Done, Failed, Signature, Step, events

ENCODINGS: Mapping[str, Encoding] = {
    encoding.dialect: encoding
    for encoding in (
        OPENAI_CHAT,
        OPENAI_RESPONSES,
        ANTHROPIC_MESSAGES,
        GEMINI,
        OLLAMA,
        COHERE_V2,
        BEDROCK_CONVERSE,
    )
}

__all__ = ["ENCODINGS", "Done", "Encoding", "Failed", "Frames", "Name", "Pause", "Signature", "Step", "events"]
