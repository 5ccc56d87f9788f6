"""The vendor table and its look-up: whom a URL belongs to, and that a row is all that a new vendor takes."""

from __future__ import annotations

import json
from urllib.parse import urlsplit

import pytest

from cuts import decode
from thinkaloud_server.core.delta import EndOfStream, ReasoningDelta, StateDelta, TextDelta
from thinkaloud_server.core.message import Message, TextPart
from thinkaloud_server.core.request import EFFORTS, ModelRequest, ReasoningControl, Sampling
from thinkaloud_server.providers.dialect import Endpoint
from thinkaloud_server.providers.rows import GENERICS, VENDORS
from thinkaloud_server.providers.table import DIALECTS, discoverable, local, vendor_for
from thinkaloud_server.providers.vendors import Reasoning, Vendor

URLS = [
    ("https://openrouter.ai/api/v1", "openrouter"),
    ("https://OpenRouter.ai./api/v1", "openrouter"),
    ("https://api.openai.com/v1", "openai"),
    ("https://eu.api.openai.com.evil.example/v1", "generic"),
    ("https://notopenrouter.ai/api/v1", "generic"),
    ("https://it.openai.azure.com/openai/v1", "azure"),
    ("https://it.cognitiveservices.azure.com/openai/deployments/d", "azure"),
    ("https://it.services.ai.azure.com/models", "azure-foundry"),
    ("https://it.services.ai.azure.com/openai/v1", "azure"),
    ("https://api.deepseek.com", "deepseek"),
    ("https://api.groq.com/openai/v1", "groq"),
    ("https://api.x.ai/v1", "xai"),
    ("https://us-east-1.api.x.ai/v1", "xai"),
    ("https://api.mistral.ai/v1", "mistral"),
    ("https://api.together.xyz/v1", "together"),
    ("https://api.fireworks.ai/inference/v1", "fireworks"),
    ("https://api.cerebras.ai/v1", "cerebras"),
    ("https://api.z.ai/api/coding/paas/v4", "zai"),
    ("https://open.bigmodel.cn/api/paas/v4", "zai"),
    ("https://api.moonshot.cn/v1", "moonshot"),
    ("https://dashscope.aliyuncs.com/compatible-mode/v1", "qwen"),
    ("https://api.perplexity.ai", "perplexity"),
    ("https://org-account.snowflakecomputing.com/api/v2/cortex/v1", "snowflake"),
    ("https://router.huggingface.co/v1", "huggingface"),
    ("https://ai-gateway.vercel.sh/v1", "vercel"),
    ("https://api.venice.ai/api/v1", "venice"),
    ("https://bedrock-mantle.us-east-2.api.aws/v1", "bedrock"),
    ("https://bedrock-runtime.us-west-2.amazonaws.com/openai/v1", "bedrock"),
    ("https://bedrock-runtime.us-west-2.amazonaws.com", "bedrock"),
    ("https://us-south.ml.cloud.ibm.com/ml/v1", "watsonx"),
    ("https://generativelanguage.googleapis.com", "gemini"),
    ("https://generativelanguage.googleapis.com/v1beta", "gemini"),
    ("https://generativelanguage.googleapis.com/v1beta/openai/", "gemini-openai"),
    ("https://aiplatform.googleapis.com/v1/publishers/google", "vertex-express"),
    ("https://aiplatform.googleapis.com/v1/projects/p/locations/global/publishers/google", "vertex"),
    ("https://us-east5-aiplatform.googleapis.com/v1beta1/projects/p/locations/us-east5/publishers/google", "vertex"),
    ("https://aiplatform.googleapis.com/v1/projects/p/locations/global/endpoints/openapi", "generic"),
    ("https://api.cohere.com", "cohere"),
    ("https://api.cohere.ai/v2", "cohere"),
    ("https://api.cohere.ai/compatibility/v1", "cohere-openai"),
    ("https://ollama.com/v1", "ollama-cloud"),
    ("http://localhost:11434/v1", "ollama"),
    ("https://ollama.com", "ollama-cloud"),
    ("http://localhost:11434", "ollama"),
    ("http://192.168.1.7:8080/v1", "llamacpp"),
    ("http://127.0.0.1:8000/v1", "vllm"),
    ("http://127.0.0.1:30000/v1", "sglang"),
    ("http://127.0.0.1:1234/v1", "lmstudio"),
    ("http://127.0.0.1:9100/v1", "generic"),
    ("https://gateway.example:8000/v1", "generic"),
    ("http://127.0.0.1:99999/v1", "generic"),
    ("", "generic"),
]

# What a row may name to be replayed: each dialect's own words.
REPLAYED = {
    "openai-chat": {"reasoning_details", "reasoning_content", "extra_content"},
    "openai-responses": {"reasoning"},
    "anthropic-messages": {"signature", "thinking"},
    "gemini": set(),
    "ollama": set(),
    "cohere-v2": set(),
    "bedrock-converse": set(),
}


@pytest.mark.parametrize(("base_url", "name"), URLS)
def test_a_vendor_is_recognised_by_its_url(base_url: str, name: str) -> None:
    assert vendor_for(base_url).name == name


OWN_FORMATS = [
    ("http://localhost:11434", "", "ollama"),
    ("http://localhost:11434/", "", "ollama"),
    ("http://localhost:11434/api", "", "ollama"),
    ("http://localhost:11434/v1", "", "openai-chat"),
    ("http://localhost:11434/v1", "ollama", "ollama"),
    ("https://ollama.com", "", "ollama"),
    ("https://ollama.com/api/chat", "", "ollama"),
    ("https://ollama.com/v1", "", "openai-chat"),
    ("https://proxy.example", "ollama", "ollama"),
    ("https://bedrock-runtime.eu-central-1.amazonaws.com", "", "bedrock-converse"),
    ("https://bedrock-runtime.us-west-2.amazonaws.com/openai/v1", "", "openai-chat"),
    ("https://bedrock-mantle.us-east-2.api.aws/v1", "", "openai-chat"),
    ("https://proxy.example/bedrock", "bedrock-converse", "bedrock-converse"),
]


@pytest.mark.parametrize(("base_url", "asked", "dialect"), OWN_FORMATS)
def test_a_vendor_with_a_format_of_its_own_speaks_it_unless_the_url_says_otherwise(
    base_url: str, asked: str, dialect: str
) -> None:
    assert vendor_for(base_url, dialect=asked).dialect == dialect


def test_a_name_finds_the_own_format_too() -> None:
    assert vendor_for("http://127.0.0.1:9100", "ollama").dialect == "ollama"
    assert vendor_for("http://127.0.0.1:9100/v1", "ollama").dialect == "openai-chat"


@pytest.mark.parametrize(
    ("base_url", "dialect"),
    [
        ("https://api.openai.com/v1", "openai-responses"),
        ("https://api.x.ai/v1", "openai-responses"),
        ("https://it.openai.azure.com/openai/v1", "openai-responses"),
        ("https://it.services.ai.azure.com/openai/v1", "openai-responses"),
        ("https://it.openai.azure.com/openai/deployments/d", "openai-chat"),
        ("https://it.services.ai.azure.com/models", "openai-chat"),
        ("https://api.deepseek.com", "openai-chat"),
        ("https://openrouter.ai/api/v1", "openai-chat"),
        ("https://bedrock-mantle.us-east-2.api.aws/v1", "openai-chat"),
        ("http://127.0.0.1:8000/v1", "openai-chat"),
        ("http://127.0.0.1:1234/v1", "openai-chat"),
    ],
)
def test_what_a_vendor_speaks_unasked(base_url: str, dialect: str) -> None:
    assert vendor_for(base_url).dialect == dialect


@pytest.mark.parametrize(
    ("base_url", "name"),
    [
        ("https://api.openai.com/v1", "openai"),
        ("https://api.x.ai/v1", "xai"),
        ("https://it.openai.azure.com/openai/v1", "azure"),
        ("https://api.deepseek.com", "deepseek"),
        ("https://openrouter.ai/api/v1", "openrouter"),
        ("https://bedrock-mantle.us-east-2.api.aws/v1", "bedrock"),
        ("http://127.0.0.1:8000/v1", "vllm"),
        ("http://127.0.0.1:1234/v1", "lmstudio"),
        ("https://proxy.example/v1", "generic"),
    ],
)
def test_these_speak_both_formats_of_openai(base_url: str, name: str) -> None:
    for dialect in ("openai-chat", "openai-responses"):
        row = vendor_for(base_url, dialect=dialect)
        assert (row.name, row.dialect) == (name, dialect)


@pytest.mark.parametrize("name", ["openai", "xai"])
def test_somebody_elses_server_under_such_a_name_speaks_what_most_servers_speak(name: str) -> None:
    row = vendor_for("https://proxy.example/v1", name)
    assert (row.name, row.dialect) == (name, "openai-chat")
    assert vendor_for("https://proxy.example/v1", name, "openai-responses").dialect == "openai-responses"


def test_a_host_says_more_than_a_name_and_a_name_more_than_a_port() -> None:
    assert vendor_for("https://api.groq.com/openai/v1", "deepseek").name == "groq"
    assert vendor_for("https://proxy.example/v1", "deepseek").name == "deepseek"
    assert vendor_for("http://127.0.0.1:8000/v1", "sglang").name == "sglang"
    assert vendor_for("http://127.0.0.1:9100/v1", "my-own").name == "generic"


@pytest.mark.parametrize("row", VENDORS, ids=lambda row: row.name)
def test_a_row_is_sound(row: Vendor) -> None:
    assert row.dialect in DIALECTS
    assert row.hosts or row.ports, "nothing would ever be recognised as this vendor"
    if row.base_url:
        assert vendor_for(row.base_url, dialect=row.dialect if row.alternate else "") is row
        assert urlsplit(row.base_url).scheme == ("http" if row.ports else "https")
    for reasoning in (row.reasoning, *(model for _, model in (*row.by_form, *row.by_model))):
        assert set(reasoning.words) <= set(EFFORTS)
        assert bool(reasoning.words) == bool(reasoning.effort)
    assert set(row.replay) <= REPLAYED[row.dialect]


def test_names_are_unique_and_the_generic_row_has_none_of_its_own_places() -> None:
    rows = [(row.name, row.dialect) for row in (*VENDORS, *GENERICS.values())]
    assert len(rows) == len(set(rows))
    assert set(GENERICS) == set(DIALECTS)
    for dialect, row in GENERICS.items():
        assert (row.name, row.dialect, row.hosts, row.ports) == ("generic", dialect, (), ())


def test_a_vendor_speaks_one_dialect_unasked() -> None:
    unasked = [(row.name, row.paths) for row in VENDORS if not row.alternate]
    assert len(unasked) == len(set(unasked))


def test_the_usual_variables_are_known() -> None:
    variables = [name for row in discoverable() for name in row.key_env]
    expected = {
        *("OPENROUTER_API_KEY", "OPENAI_API_KEY", "DEEPSEEK_API_KEY", "GROQ_API_KEY", "XAI_API_KEY"),
        *("MISTRAL_API_KEY", "TOGETHER_API_KEY", "FIREWORKS_API_KEY", "CEREBRAS_API_KEY", "MOONSHOT_API_KEY"),
        *("ZAI_API_KEY", "DASHSCOPE_API_KEY", "PERPLEXITY_API_KEY", "HF_TOKEN", "VENICE_API_KEY"),
    }
    assert expected <= set(variables)
    assert len(variables) == len(set(variables)), "one variable, one vendor"


def test_servers_on_this_machine_are_known() -> None:
    assert {row.name for row in local()} == {"ollama", "llamacpp", "vllm", "sglang", "lmstudio"}


def test_adding_a_vendor_is_adding_a_row() -> None:
    row = Vendor(
        "newcomer",
        hosts=("api.newcomer.example",),
        key_header="x-key",
        chat_path="/talk",
        max_tokens_field="limit",
        finish_optional=True,
        replay=("reasoning_content",),
        reasoning=Reasoning(
            effort="think.level", words={"high": "hard"}, on={"think": {"on": True}}, off={"think": {"on": False}}
        ),
    )
    base_url = "https://api.newcomer.example/v2"
    found = vendor_for(base_url, rows=(*VENDORS, row))
    assert found is row

    endpoint = Endpoint("it", base_url, found, api_key="k3y")
    request = ModelRequest(
        "m-1",
        (Message("user", (TextPart("Hello"),)),),
        reasoning=ReasoningControl("high"),
        sampling=Sampling(max_output_tokens=9),
    )
    dialect = DIALECTS[row.dialect]
    built = dialect.request(endpoint, request)
    assert built.url == "https://api.newcomer.example/v2/talk"
    assert ("x-key", "k3y") in built.headers
    body = json.loads(built.body)
    assert (body["limit"], body["think"]) == (9, {"on": True, "level": "hard"})

    stream = b'data: {"choices":[{"delta":{"reasoning_content":"Hm","content":"Hi"}}]}\n\ndata: [DONE]\n\n'
    assert decode(dialect.decoder(endpoint, request), [stream])[1:] == [
        ReasoningDelta("Hm"),
        TextDelta("Hi"),
        StateDelta('{"reasoning_content":"Hm"}'),
        EndOfStream(),
    ]
