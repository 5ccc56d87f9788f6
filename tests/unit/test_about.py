"""What is said of the server: its version, its limits as they are published, and links that lead somewhere."""

from __future__ import annotations

from thinkaloud_server.app.about import about
from thinkaloud_server.app.version import server_version
from thinkaloud_server.rpc.limits import Limits
from thinkaloud_server.web.openapi import documents
from thinkaloud_server.web.route import routes_of, services_of_contract


def test_configured_limits_stand_in_the_documentation() -> None:
    document = documents(routes_of(services_of_contract()), about(Limits(text_chars=1234, iterations=7)))
    assert "* `text_chars`: 1,234. " in document["info"]["description"]
    assert "* `max_iterations`: 7. " in document["info"]["description"]
    assert document["info"]["version"] == server_version()


def test_a_gateway_tells_no_limits_of_its_own() -> None:
    document = documents(routes_of(services_of_contract()), about())
    assert "# Limits" not in document["info"]["description"]


def test_links_lead_to_routes() -> None:
    table = routes_of(services_of_contract())
    for path in about().links.values():
        assert table.find("GET", path)[0].verb == "GET"
