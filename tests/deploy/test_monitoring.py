"""Rules, alerts and the dashboard of Grafana: right by the tools that read them, and about metrics that exist."""

import importlib.util
import json
import re
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from grafana_foundation_sdk.models.dashboard import Dashboard

from tests.deploy.tools import DEPLOY, accepted
from tests.unit.test_metrics_page import EXPORTERS, PARTS, documented

PROMETHEUS = DEPLOY / "prometheus"
GRAFANA = DEPLOY / "grafana"
#: What a scrape itself brings.
OF_PROMETHEUS = {"up"}


def rules_of(file: str) -> list[dict[str, Any]]:
    groups = yaml.safe_load((PROMETHEUS / file).read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    return [
        panel for panel in json.loads((GRAFANA / "stepstream.json").read_text())["panels"] if panel["type"] != "row"
    ]


def expressions() -> dict[str, str]:
    """Every query that is shipped, by where it stands."""
    found = {
        rule.get("record") or rule["alert"]: rule["expr"]
        for file in ("rules.yml", "alerts.yml")
        for rule in rules_of(file)
    }
    for panel in panels():
        for target in panel["targets"]:
            found[f"{panel['title']} {panel['id']}{target['refId']}"] = target["expr"].replace("$__rate_interval", "5m")
    return found


def selectors(expression: Any) -> Iterator[Any]:
    """The series that a query reads, from all branches of its tree."""
    if isinstance(expression, promql_parser.VectorSelector):
        yield expression
    for name in ("expr", "lhs", "rhs", "vector_selector"):
        if (branch := getattr(expression, name, None)) is not None:
            yield from selectors(branch)
    for argument in getattr(expression, "args", None) or ():
        yield from selectors(argument)


@pytest.mark.parametrize("where", expressions())
def test_a_query_reads_metrics_that_exist(where: str) -> None:
    """Every series is documented with the labels that the query picks by, or is made by a rule."""
    known = {name: labels for section in EXPORTERS for name, (_, labels) in documented(section).items()}
    recorded = {rule["record"] for rule in rules_of("rules.yml")}

    for selector in selectors(promql_parser.parse(expressions()[where])):
        name = selector.name
        if name in recorded | OF_PROMETHEUS:
            continue
        labels = known[name] if name in known else known[PARTS.sub("", name)]
        assert {matcher.name for matcher in selector.matchers.matchers} <= labels | {"job"}, name


def test_an_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not() -> None:
    """No alert is shipped of which nobody has seen that it can fire."""
    tests = yaml.safe_load((PROMETHEUS / "tests" / "alerts.yml").read_text())["tests"]
    cases = [case for test in tests for case in test["alert_rule_test"]]
    fires = Counter(case["alertname"] for case in cases if case["exp_alerts"])
    quiet = Counter(case["alertname"] for case in cases if not case["exp_alerts"])

    names = {rule["alert"] for rule in rules_of("alerts.yml")}

    assert names == set(fires) == set(quiet)


@pytest.mark.parametrize("alert", rules_of("alerts.yml"), ids=lambda alert: alert["alert"])
def test_an_alert_says_what_to_do(alert: dict[str, Any]) -> None:
    """Its runbook is a heading of the page on operations."""
    page, _, anchor = alert["annotations"]["runbook"].partition("#")
    headings = re.findall(r"^##+ (.+)$", (DEPLOY.parent / page).read_text(), re.M)

    assert anchor in {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert alert["labels"]["severity"] in ("critical", "warning")


def test_the_rules_pass_their_unit_tests() -> None:
    """Prometheus' own tool reads rules and alerts, and runs the cases of each alert."""
    accepted(
        "promtool", "check", "rules", "--lint=all", "--lint-fatal", PROMETHEUS / "rules.yml", PROMETHEUS / "alerts.yml"
    )
    accepted("promtool", "test", "rules", PROMETHEUS / "tests" / "alerts.yml")


def test_the_configuration_is_read(tmp_path: Path) -> None:
    """The whole configuration stands, with the key beside it that it names."""
    shutil.copytree(PROMETHEUS, tmp_path / "prometheus")
    (tmp_path / "prometheus" / "stepstream.key").write_text("sk_a_b")

    accepted("promtool", "check", "config", tmp_path / "prometheus" / "prometheus.yml")


def test_the_dashboard_is_what_its_source_makes() -> None:
    """The file that Grafana loads was written by the source beside it, and Grafana's own types read it."""
    text = (GRAFANA / "stepstream.json").read_text()
    spec = importlib.util.spec_from_file_location("dashboard", GRAFANA / "dashboard.py")
    assert spec is not None
    assert spec.loader is not None
    source = importlib.util.module_from_spec(spec)
    sys.modules["dashboard"] = source
    spec.loader.exec_module(source)

    assert text == source.build()
    assert Dashboard.from_json(json.loads(text)).uid == "stepstream"


def test_no_two_panels_are_one() -> None:
    """Ids are unique, and no panel lies on another or leaves the grid."""
    everything = json.loads((GRAFANA / "stepstream.json").read_text())["panels"]
    cells = Counter(
        (x, y)
        for panel in everything
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    )

    assert len({panel["id"] for panel in everything}) == len(everything)
    assert set(cells.values()) == {1}
    assert max(x for x, _ in cells) < 24
