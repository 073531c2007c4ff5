"""``python -m clip_align``."""

from clip_align.cli import main
from representations.console import run_cli

run_cli(main)
