"""``python -m benchmarks``."""

from representations.console import run_cli

if __name__ == "__main__":

    def _main() -> int | None:
        from benchmarks.cli import main

        return main()

    run_cli(_main)
