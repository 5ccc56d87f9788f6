"""A form in the document, and an answer that is a file."""

from __future__ import annotations

from fakes.toy import toy_service
from thinkaloud_server.web.download import HARMLESS
from thinkaloud_server.web.openapi import Info, documents
from thinkaloud_server.web.openapi.comment import Comments
from thinkaloud_server.web.route import routes_of

TOY = documents(routes_of([toy_service()]), Info("toy"), Comments({"toy.v1.About.kind": "Its type."}))
KEEP = TOY["paths"]["/toy/{shelf}/keep"]["post"]
FETCH = TOY["paths"]["/toy/books/{title}"]["get"]


def test_a_form_has_the_fields_of_the_head_and_the_file() -> None:
    (kind,) = KEEP["requestBody"]["content"]
    schema = KEEP["requestBody"]["content"][kind]["schema"]
    assert (kind, KEEP["requestBody"]["required"]) == ("multipart/form-data", True)
    assert list(schema["properties"]) == ["title", "kind", "words", "idempotency_key", "book"]
    assert schema["properties"]["kind"] == {"type": "string", "description": "Its type."}
    assert schema["properties"]["words"]["type"] == "array"
    book = schema["properties"]["book"]
    assert (book["type"], book["format"], book["contentMediaType"]) == ("string", "binary", "application/octet-stream")
    assert (schema["required"], schema["additionalProperties"]) == (["book"], False)


def test_a_form_has_the_parameters_and_failures_that_any_operation_has() -> None:
    assert [each["name"] for each in KEEP["parameters"] if "name" in each] == ["shelf"]
    assert {"$ref": "#/components/parameters/IdempotencyKey"} in KEEP["parameters"]
    assert {"400", "413", "415", "422"} <= set(KEEP["responses"])
    assert "application/json" in KEEP["responses"]["200"]["content"]


def test_an_answer_that_is_a_file_is_bytes_of_the_types_that_are_told() -> None:
    answer = FETCH["responses"]["200"]
    assert set(answer["content"]) == {"application/octet-stream", *HARMLESS}
    assert {each["schema"]["format"] for each in answer["content"].values()} == {"binary"}
    assert {"X-Request-ID", "Content-Disposition"} <= set(answer["headers"])
    assert not [each for each in FETCH["parameters"] if each.get("$ref", "").endswith("Heartbeats")]


def test_messages_that_only_carry_a_file_are_no_components() -> None:
    assert not {"KeepRequest", "FetchResponse", "AboutInput"} & set(TOY["components"]["schemas"])
    assert {"KeepResponse", "About"} <= set(TOY["components"]["schemas"])
