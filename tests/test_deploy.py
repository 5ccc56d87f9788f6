"""Dashboard, alerts and documentation use the metrics that there are, with the labels that they have."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from thinkaloud_server.app.observe import Metrics
from thinkaloud_server.core.errors import ErrorReason
from thinkaloud_server.engine.engine import EngineStatus

ROOT = Path(__file__).parents[1]
DASHBOARD = json.loads((ROOT / "deploy" / "grafana" / "thinkaloud.json").read_text(encoding="utf-8"))
ALERTS = (ROOT / "deploy" / "prometheus" / "alerts.yml").read_text(encoding="utf-8")
PAGE = (ROOT / "docs" / "observability.md").read_text(encoding="utf-8")

METRIC = re.compile(r"\b(?:thinkaloud|process|python)_[a-z_]+\b")
SELECTOR = re.compile(r"\b(thinkaloud_[a-z_]+)\{([^}]*)\}")
# What Prometheus itself adds to each series.
ADDED = {"job", "instance", "le"}
CODES_OF_ATTEMPTS = {"OK", "CANCELLED", "NOT_ASKED", *ErrorReason}


class Idle:
    def status(self) -> EngineStatus:
        return EngineStatus(0, 1, 0, 0, 0, 0.0, 0.0, False, {"p": "closed"})

    def open_calls(self) -> int:
        return 0

    def open_sockets(self) -> int:
        return 0


def exported() -> Mapping[str, set[str]]:
    """Every series by its name, and its labels; those of metrics that nothing has counted yet, too."""
    metrics = Metrics(version="1", store="memory", models=[])
    metrics.look(Idle())
    found: dict[str, set[str]] = {}
    for family in metrics.registry.collect():
        ends = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "info": ("_info",)}
        labels = {name for sample in family.samples for name in sample.labels}
        for end in ends.get(family.type, ("",)):
            found[family.name + end] = labels
    for collector in metrics.registry._collector_to_names:
        for name in metrics.registry._collector_to_names[collector]:
            if name in found:
                found[name] |= set(getattr(collector, "_labelnames", ()))
    return found


EXPORTED = exported()


def expressions() -> Iterator[str]:
    for panel in DASHBOARD["panels"]:
        yield from (target["expr"] for target in panel.get("targets", ()))
    yield from (variable["query"]["query"] for variable in DASHBOARD["templating"]["list"] if variable["name"] == "job")
    yield from _alerts()


def _alerts() -> Iterator[str]:
    for block, line in re.findall(r"expr: (?:\|\n((?: {10,}.*\n)+)|(.*))", ALERTS):
        yield block or line


@pytest.mark.parametrize("expression", [*expressions()])
def test_every_expression_uses_metrics_and_labels_that_there_are(expression: str) -> None:
    names = set(METRIC.findall(expression))
    assert names <= set(EXPORTED), expression
    for name, matchers in SELECTOR.findall(expression):
        labels = set(re.findall(r"(\w+)[=!]", matchers))
        assert labels <= EXPORTED[name] | ADDED, expression
    for labels_text in re.findall(r"\bby \(([^)]*)\)", expression):
        known = {label for name in names for label in EXPORTED[name]} | ADDED
        assert {label.strip() for label in labels_text.split(",")} <= known, expression


def test_every_alert_has_an_expression_a_severity_and_a_summary() -> None:
    alerts = re.findall(r"- alert: (\w+)", ALERTS)
    assert len(alerts) == len(set(alerts)) == len(list(_alerts())) > 8
    assert (
        len(re.findall(r"severity: (?:page|ticket)", ALERTS)) == len(re.findall(r"summary: \"", ALERTS)) == len(alerts)
    )
    assert [name for name in alerts if f"`{name}`" not in PAGE] == []


def test_alerts_name_codes_that_attempts_can_have() -> None:
    for pattern in re.findall(r'provider_attempts_total\{code=~?"([^"]*)"', ALERTS):
        assert any(re.fullmatch(pattern, code) for code in CODES_OF_ATTEMPTS), pattern


def test_every_metric_of_ours_is_on_the_page_and_the_page_makes_up_none() -> None:
    ours = {re.sub(r"_(bucket|sum|count)$", "", name) for name in EXPORTED if name.startswith("thinkaloud_")}
    assert set(re.findall(r"^\| `(thinkaloud_\w+)`", PAGE, re.M)) == ours


def test_panels_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at: dict[str, Any] = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells


@pytest.mark.parametrize("wrong", ["thinkaloud_runs", "thinkaloud_first_token_seconds"])
def test_a_name_that_is_not_exported_is_found(wrong: str) -> None:
    assert wrong not in EXPORTED
