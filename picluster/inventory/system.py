"""The section `[system]`: what the operating system of every node should be like, apart from what the stack itself needs.

A key that is not there leaves the nodes as they are.
"""

from __future__ import annotations

import re

from picluster.inventory.reader import Table, quoted
from picluster.model.inventory import System

TIME_ZONE = re.compile(r"UTC|[A-Z][A-Za-z0-9_+-]*(?:/[A-Z][A-Za-z0-9_+-]*){1,2}")
"""`Area/City`, or `Area/Region/City`: how the time zone database names its zones (its file `theory.html`). What it has under
one word, such as `CET`, are old names or no places; but for `UTC`."""
LOCALE = re.compile(r"[a-z]{2,3}_[A-Z]{2}\.UTF-8")
"""A language (ISO 639), a country (ISO 3166) and the one encoding that is sane."""
COUNTRY = re.compile(r"[A-Z]{2}")
PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+")
"""Debian Policy, section 5.6.1."""


def read_system(section: Table) -> System:
    time_zone = _read(section, "time_zone", TIME_ZONE, "time zone", '"Europe/Berlin"; "timedatectl list-timezones" has all')
    locale = _read(section, "locale", LOCALE, "locale", '"de_DE.UTF-8"')
    country = _read(section, "wifi_country", COUNTRY, "country", '"DE" or "GB": two capital letters, as in ISO 3166')
    return System(time_zone, locale, country, _read_packages(section))


def _read(section: Table, key: str, pattern: re.Pattern[str], what: str, example: str) -> str | None:
    found = section.text(key, example)
    if found is not None and not pattern.fullmatch(found):
        section.add(key, f"{quoted(found)} is no {what}", f"Write {key} = {example}")
        return None
    return found


def _read_packages(section: Table) -> tuple[str, ...]:
    named = section.names("packages", '["htop", "tmux"]') or ()
    for name in named:
        if not PACKAGE.fullmatch(name):
            rule = "lower-case letters, digits and + - ., as apt takes it"
            section.add("packages", f"{quoted(name)} is no package's name", f"Write it with {rule}, without a version")
    return named
