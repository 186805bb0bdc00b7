"""What a scrape of Prometheus finds, and what its own linter says of it."""

import subprocess

import httpx2
from prometheus_client.parser import text_string_to_metric_families

from tests.unit.test_metrics_prometheus import promtool

Scrape = dict[str, float]


def scrape(url: str) -> Scrape:
    """Every series as it is written, `name{label="value"}` with the labels in order, and its value."""
    reply = httpx2.get(url, timeout=60)
    assert reply.status_code == 200, reply.text
    return parsed(reply.text)


def parsed(text: str) -> Scrape:
    found: Scrape = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
            series = sample.name + (f"{{{labels}}}" if labels else "")
            assert series not in found, f"{series} is there twice"
            found[series] = sample.value
    return found


def total(found: Scrape, prefix: str) -> float:
    """The sum of all series that begin so."""
    return sum(value for series, value in found.items() if series.startswith(prefix))


def complaints(text: str) -> str:
    """What `promtool check metrics` has against it."""
    checked = subprocess.run(
        [promtool(), "check", "metrics"], input=text, capture_output=True, text=True, check=False, timeout=120
    )
    return checked.stdout + checked.stderr
