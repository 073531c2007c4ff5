"""Matchers by name: other people's methods that pair cells with marker profiles, one file each."""

from __future__ import annotations

from benchmarks.matchers.base import Lesson, Matcher, matchers, names
from benchmarks.matchers.blind import Blind, create

__all__ = ["Blind", "Lesson", "Matcher", "create", "matchers", "names"]
