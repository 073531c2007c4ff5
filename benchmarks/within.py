"""What tasks share whose training and test cells are of one data set."""

from __future__ import annotations

from typing import ClassVar

from representations.errors import InputError


class WithinDataset:
    """Start of such a task; ``told`` says what it does, for the line that refuses two data sets."""

    told: ClassVar[str]

    def __init__(self, train: str, test: str, seed: int, *, logs: str | None = None) -> None:
        if train != test:
            raise InputError(f"{train} -> {test}: {self.told} one data set")
        self.name, self.seed, self.logs = train, seed, logs
