"""The vendors that speak `openai-chat`, in the order in which they are tried. Adding one is adding a row to `VENDORS`.

Sources: the vendors' own pages and recorded streams, August 2026.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from thinkaloud_server.core.request import EFFORTS, Effort
from thinkaloud_server.providers.vendors import Fields, Reasoning, Vendor


def _fields(**values: Any) -> Fields:
    return MappingProxyType(values)


def _words(*words: str) -> Mapping[Effort, str]:
    """The vendor's words for none, minimal, low, medium, high, max; "" where it has none."""
    return MappingProxyType({effort: word for effort, word in zip(EFFORTS, words, strict=True) if word})


# Thinking cannot be turned off where "none" has no word of its own: it becomes the least that there is.
_LOW_TO_HIGH = _words("low", "low", "low", "medium", "high", "high")
_NONE_TO_HIGH = _words("none", "low", "low", "medium", "high", "high")
_MINIMAL_TO_HIGH = _words("minimal", "minimal", "low", "medium", "high", "high")

_EFFORT = Reasoning(effort="reasoning_effort", words=_NONE_TO_HIGH)
_EFFORT_NO_OFF = Reasoning(effort="reasoning_effort", words=_LOW_TO_HIGH)
_GATEWAY = Reasoning(
    effort="reasoning.effort",
    words=_words("none", "minimal", "low", "medium", "high", "max"),
    bare=_fields(reasoning={"enabled": True}),
    budget="reasoning.max_tokens",
    summary="reasoning.summary",
)
_SWITCH = Reasoning(on=_fields(thinking={"type": "enabled"}), off=_fields(thinking={"type": "disabled"}))
_TEMPLATE_ON = {"enable_thinking": True, "thinking": True}
_TEMPLATE_OFF = {"enable_thinking": False, "thinking": False}
_TEMPLATE = Reasoning(
    effort="reasoning_effort",
    words=_words("", "low", "low", "medium", "high", "high"),
    on=_fields(chat_template_kwargs=_TEMPLATE_ON),
    off=_fields(chat_template_kwargs=_TEMPLATE_OFF),
)
# Qwen counts tokens only; no "max": without a budget it thinks as long as it likes.
_QWEN = Reasoning(
    effort="thinking_budget",
    words=MappingProxyType({"minimal": 1024, "low": 4096, "medium": 8192, "high": 16384}),
    on=_fields(enable_thinking=True),
    off=_fields(enable_thinking=False),
    budget="thinking_budget",
)
_OPENAI = Reasoning(effort="reasoning_effort", words=_words("none", "low", "low", "medium", "high", "xhigh"))
_OPENAI_MODELS = (
    ("gpt-5.", _OPENAI),
    ("gpt-5", Reasoning(effort="reasoning_effort", words=_MINIMAL_TO_HIGH)),
    ("gpt-oss", _EFFORT_NO_OFF),
    ("deepseek", _EFFORT),
    ("grok", _EFFORT),
    ("o1", _EFFORT_NO_OFF),
    ("o3", _EFFORT_NO_OFF),
    ("o4", _EFFORT_NO_OFF),
)
_PARSED = _fields(reasoning_format="parsed")

# Whoever speaks the dialect and is not in the table. Its end mark is taken at its word: some servers never say why
# they stopped, and the recorded cut streams have no end mark either.
GENERIC = Vendor("generic", finish_optional=True, replay=("reasoning_details", "extra_content"), reasoning=_EFFORT)

VENDORS: tuple[Vendor, ...] = (
    Vendor(
        "openrouter",
        base_url="https://openrouter.ai/api/v1",
        key_env=("OPENROUTER_API_KEY",),
        hosts=("openrouter.ai",),
        pings=True,
        replay=("reasoning_details",),
        reasoning=_GATEWAY,
    ),
    Vendor(
        "openai",
        alternate=True,
        base_url="https://api.openai.com/v1",
        hosts=("api.openai.com",),
        max_tokens_field="max_completion_tokens",
        reasoning=_OPENAI,
        by_model=_OPENAI_MODELS,
    ),
    # Google's OpenAI-compatible face; its own format is what it speaks at the rest of this host.
    Vendor(
        "gemini-openai",
        hosts=("generativelanguage.googleapis.com",),
        paths=("/openai",),
        replay=("extra_content",),
        reasoning=Reasoning(
            effort="reasoning_effort", words=_words("none", "minimal", "low", "medium", "high", "high")
        ),
    ),
    # Cohere's, likewise. It knows "none" and "high".
    Vendor(
        "cohere-openai",
        hosts=("api.cohere.com", "api.cohere.ai"),
        paths=("/compatibility",),
        reasoning=Reasoning(effort="reasoning_effort", words=_words("none", "high", "high", "high", "high", "high")),
    ),
    Vendor(
        "azure-foundry",
        hosts=(".services.ai.azure.com", ".models.ai.azure.com"),
        paths=("/models",),
        key_header="api-key",
        query=(("/models", "api-version", "2024-05-01-preview"),),
        reasoning=_EFFORT,
    ),
    Vendor(
        "azure",
        hosts=(".azure.com",),
        key_header="api-key",
        query=(("/openai/deployments/", "api-version", "2024-10-21"),),
        max_tokens_field="max_completion_tokens",
        reasoning=_OPENAI,
        by_model=_OPENAI_MODELS,
    ),
    Vendor(
        "deepseek",
        base_url="https://api.deepseek.com",
        key_env=("DEEPSEEK_API_KEY",),
        hosts=("api.deepseek.com",),
        pings=True,
        replay=("reasoning_content",),
        reasoning=Reasoning(
            effort="reasoning_effort",
            words=_words("", "low", "low", "high", "high", "max"),
            on=_fields(thinking={"type": "enabled"}),
            off=_fields(thinking={"type": "disabled"}),
        ),
    ),
    Vendor(
        "groq",
        base_url="https://api.groq.com/openai/v1",
        key_env=("GROQ_API_KEY",),
        hosts=("api.groq.com",),
        # Without `reasoning_format` the thoughts of these models come as inline tags. Sent only when reasoning was
        # asked for: models that do not think answer it with 400.
        reasoning=Reasoning(on=_PARSED, off=_PARSED),
        by_model=(
            ("gpt-oss", _EFFORT_NO_OFF),
            (
                "qwen",
                Reasoning(
                    effort="reasoning_effort",
                    words=_words("none", "default", "default", "default", "default", "default"),
                    on=_PARSED,
                ),
            ),
        ),
    ),
    Vendor(
        "xai",
        alternate=True,
        base_url="https://api.x.ai/v1",
        hosts=("api.x.ai", ".api.x.ai"),
        pings=True,
        reasoning=_EFFORT,
        by_model=(
            (
                "grok-3-mini",
                Reasoning(effort="reasoning_effort", words=_words("low", "low", "low", "high", "high", "high")),
            ),
        ),
    ),
    Vendor(
        "mistral",
        base_url="https://api.mistral.ai/v1",
        key_env=("MISTRAL_API_KEY",),
        hosts=("api.mistral.ai", "codestral.mistral.ai"),
        usage_option=False,
        seed_field="random_seed",
        tool_required="any",
        reasoning=Reasoning(effort="reasoning_effort", words=_words("none", "high", "high", "high", "high", "high")),
    ),
    Vendor(
        "together",
        base_url="https://api.together.xyz/v1",
        key_env=("TOGETHER_API_KEY", "TOGETHER_AI_API_KEY"),
        hosts=("api.together.xyz", "api.together.ai"),
        reasoning=Reasoning(
            effort="reasoning_effort",
            words=_words("", "low", "low", "medium", "high", "high"),
            on=_fields(reasoning={"enabled": True}),
            off=_fields(reasoning={"enabled": False}),
        ),
    ),
    Vendor(
        "fireworks",
        base_url="https://api.fireworks.ai/inference/v1",
        key_env=("FIREWORKS_API_KEY", "FIREWORKS_AI_API_KEY"),
        hosts=("api.fireworks.ai",),
        reasoning=Reasoning(effort="reasoning_effort", words=_NONE_TO_HIGH, budget="reasoning_effort"),
    ),
    Vendor(
        "cerebras",
        base_url="https://api.cerebras.ai/v1",
        key_env=("CEREBRAS_API_KEY",),
        hosts=("api.cerebras.ai",),
        max_tokens_field="max_completion_tokens",
        reasoning=Reasoning(
            effort="reasoning_effort",
            words=_words("", "low", "low", "medium", "high", "high"),
            off=_fields(disable_reasoning=True),
        ),
        by_model=(
            ("gpt-oss", _EFFORT_NO_OFF),
            # GLM has a switch and no levels.
            ("glm", Reasoning(on=_fields(disable_reasoning=False), off=_fields(disable_reasoning=True))),
        ),
    ),
    Vendor(
        "zai",
        base_url="https://api.z.ai/api/paas/v4",
        key_env=("ZAI_API_KEY", "ZHIPUAI_API_KEY"),
        hosts=("api.z.ai", "open.bigmodel.cn"),
        replay=("reasoning_content",),
        reasoning=_SWITCH,
    ),
    Vendor(
        "moonshot",
        base_url="https://api.moonshot.ai/v1",
        key_env=("MOONSHOT_API_KEY", "MOONSHOTAI_API_KEY"),
        hosts=("api.moonshot.ai", "api.moonshot.cn"),
        replay=("reasoning_content",),
        reasoning=_SWITCH,
        # It always thinks and has no switch.
        by_model=(("kimi-k2-thinking", Reasoning(off=_fields())),),
    ),
    Vendor(
        "qwen",
        base_url="https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
        key_env=("DASHSCOPE_API_KEY",),
        hosts=(".aliyuncs.com",),
        reasoning=_QWEN,
    ),
    Vendor(
        "siliconflow",
        base_url="https://api.siliconflow.com/v1",
        key_env=("SILICONFLOW_API_KEY",),
        hosts=("api.siliconflow.com", "api.siliconflow.cn"),
        reasoning=_QWEN,
    ),
    Vendor(
        "perplexity",
        base_url="https://api.perplexity.ai",
        key_env=("PERPLEXITY_API_KEY", "PPLX_API_KEY"),
        hosts=("api.perplexity.ai",),
        pings=True,
        usage_option=False,
        reasoning=Reasoning(effort="reasoning_effort", words=_MINIMAL_TO_HIGH),
    ),
    Vendor(
        "snowflake",
        hosts=(".snowflakecomputing.com",),
        finish_optional=True,
        max_tokens_field="max_completion_tokens",
        replay=("reasoning_details",),
        reasoning=Reasoning(effort="reasoning.effort", words=_MINIMAL_TO_HIGH, budget="reasoning.max_tokens"),
    ),
    Vendor(
        "huggingface",
        base_url="https://router.huggingface.co/v1",
        key_env=("HF_TOKEN", "HUGGINGFACE_API_KEY"),
        hosts=("router.huggingface.co", ".endpoints.huggingface.cloud"),
        reasoning=_EFFORT,
    ),
    Vendor(
        "vercel",
        base_url="https://ai-gateway.vercel.sh/v1",
        key_env=("AI_GATEWAY_API_KEY",),
        hosts=("ai-gateway.vercel.sh",),
        replay=("reasoning_details",),
        reasoning=_GATEWAY,
    ),
    Vendor(
        "venice",
        base_url="https://api.venice.ai/api/v1",
        key_env=("VENICE_API_KEY",),
        hosts=("api.venice.ai",),
        reasoning=Reasoning(
            effort="reasoning_effort",
            words=_words("", "low", "low", "medium", "high", "high"),
            off=_fields(venice_parameters={"disable_thinking": True}),
        ),
    ),
    Vendor(
        "nvidia",
        base_url="https://integrate.api.nvidia.com/v1",
        key_env=("NVIDIA_API_KEY",),
        hosts=("integrate.api.nvidia.com",),
        reasoning=_TEMPLATE,
        by_model=(("gpt-oss", _EFFORT_NO_OFF),),
    ),
    Vendor(
        "deepinfra",
        base_url="https://api.deepinfra.com/v1/openai",
        key_env=("DEEPINFRA_API_KEY", "DEEPINFRA_TOKEN"),
        hosts=("api.deepinfra.com",),
        reasoning=_EFFORT,
    ),
    Vendor(
        "minimax",
        base_url="https://api.minimax.io/v1",
        key_env=("MINIMAX_API_KEY",),
        hosts=("api.minimax.io", "api.minimaxi.com", "api.minimax.chat"),
        replay=("reasoning_details",),
        # It always thinks; the field takes the thoughts out of the text.
        reasoning=Reasoning(on=_fields(reasoning_split=True), off=_fields(reasoning_split=True)),
    ),
    # Without "/v1" in the URL it speaks its own format (rows/bedrock_converse.py).
    Vendor("bedrock", hosts=(".api.aws", ".amazonaws.com"), paths=("/v1",), reasoning=_EFFORT_NO_OFF),
    Vendor("watsonx", hosts=(".ml.cloud.ibm.com",)),
    Vendor(
        "writer",
        base_url="https://api.writer.com/v1",
        key_env=("WRITER_API_KEY",),
        hosts=("api.writer.com",),
        chat_path="/chat",
    ),
    # Without "/v1" in the URL both speak their own format (rows/ollama.py).
    Vendor(
        "ollama-cloud",
        base_url="https://ollama.com/v1",
        hosts=("ollama.com",),
        paths=("/v1",),
        reasoning=_EFFORT,
    ),
    Vendor("ollama", base_url="http://127.0.0.1:11434/v1", ports=(11434,), paths=("/v1",), reasoning=_EFFORT),
    Vendor(
        "llamacpp",
        base_url="http://127.0.0.1:8080/v1",
        ports=(8080,),
        pings=True,
        reasoning=Reasoning(
            effort="chat_template_kwargs.reasoning_effort",
            words=_words("", "low", "low", "medium", "high", "high"),
            on=_fields(chat_template_kwargs=_TEMPLATE_ON),
            off=_fields(chat_template_kwargs=_TEMPLATE_OFF),
        ),
    ),
    Vendor(
        "vllm",
        base_url="http://127.0.0.1:8000/v1",
        ports=(8000,),
        finish_optional=True,
        reasoning=_TEMPLATE,
    ),
    Vendor(
        "sglang",
        base_url="http://127.0.0.1:30000/v1",
        ports=(30000,),
        reasoning=_TEMPLATE,
    ),
    Vendor("lmstudio", base_url="http://127.0.0.1:1234/v1", ports=(1234,), reasoning=_EFFORT),
)
