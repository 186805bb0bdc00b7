"""The units and number words that `quantities` understands, each with what it measures and its factor."""

import re
from collections.abc import Iterator

_TIME = (
    (1e-6, "ns nanosecond nanoseconds"),
    (1e-3, "us \u00b5s \u03bcs microsecond microseconds"),
    (1.0, "ms msec msecs millisecond milliseconds millis"),
    (1e3, "s sec secs second seconds"),
    (6e4, "min mins minute minutes"),
    (3.6e6, "h hr hrs hour hours"),
    (8.64e7, "d day days"),
    (6.048e8, "w week weeks"),
    (2.592e9, "month months"),
    (3.1536e10, "y yr yrs year years"),
)
_BYTES = (
    (1.0, "B byte bytes octets"),
    (1e3, "kB KB kilobyte kilobytes"),
    (1e6, "MB megabyte megabytes"),
    (1e9, "GB gigabyte gigabytes"),
    (1e12, "TB terabyte terabytes"),
    (2.0**10, "KiB kib kibibyte kibibytes"),
    (2.0**20, "MiB mib mebibyte mebibytes"),
    (2.0**30, "GiB gib gibibyte gibibytes"),
    (2.0**40, "TiB tib tebibyte tebibytes"),
)
_OTHERS = (
    ("%", 1.0, "% percent pct"),
    ("hz", 1.0, "Hz hertz"),
    ("hz", 1e3, "kHz khz"),
    ("hz", 1e6, "MHz mhz"),
    ("hz", 1e9, "GHz ghz"),
    ("bits", 1.0, "bit bits"),
    ("bits", 1e3, "kbit kbits kbps"),
    ("bits", 1e6, "Mbit Mbits Mbps mbps"),
    ("bits", 1e9, "Gbit Gbits Gbps gbps"),
    ("m", 1.0, "metre metres meter meters"),
    ("m", 1e3, "km kilometres kilometers"),
    ("m", 1e-2, "cm"),
    ("m", 1e-3, "mm"),
    ("g", 1e3, "kg kilograms"),
    ("px", 1.0, "px pixel pixels"),
    ("degree", 1.0, "\u00b0C \u00b0F degrees"),
    ("$", 1.0, "USD usd dollar dollars"),
    ("\u20ac", 1.0, "EUR eur euro euros"),
)

NUMBER_WORDS = {
    "a": 1.0, "an": 1.0, "a single": 1.0,
    "one": 1.0, "two": 2.0, "three": 3.0, "four": 4.0, "five": 5.0, "six": 6.0, "seven": 7.0,
    "eight": 8.0, "nine": 9.0, "ten": 10.0, "eleven": 11.0, "twelve": 12.0, "fifteen": 15.0, "twenty": 20.0,
    "thirty": 30.0, "forty": 40.0, "fifty": 50.0, "sixty": 60.0, "ninety": 90.0, "a hundred": 100.0,
    "one hundred": 100.0, "a thousand": 1000.0, "one thousand": 1000.0, "a dozen": 12.0, "half a": 0.5,
}  # fmt: skip
SCALES = {"k": 1e3, "thousand": 1e3, "million": 1e6, "billion": 1e9}


def number_value(digits: str, scale: str | None) -> float:
    """What the digits or the word say; no number is too long for it."""
    known = NUMBER_WORDS.get(digits.lower())
    value = float(re.sub(r"[,_\u202f]", "", digits)[:60]) if known is None else known
    return value * SCALES.get((scale or "").strip().lower(), 1.0)


def _units() -> Iterator[tuple[str, tuple[str, float]]]:
    for factor, names in _TIME:
        yield from ((name, ("ms", factor)) for name in names.split())
    for factor, names in _BYTES:
        yield from ((name, ("bytes", factor)) for name in names.split())
    for dimension, factor, names in _OTHERS:
        yield from ((name, (dimension, factor)) for name in names.split())


UNITS: dict[str, tuple[str, float]] = dict(_units())
UNITS.update({name.lower(): measure for name, measure in list(UNITS.items()) if name.lower() not in UNITS})
UNIT_PATTERN = "|".join(re.escape(name) for name in sorted(UNITS, key=lambda name: (-len(name), name)))
