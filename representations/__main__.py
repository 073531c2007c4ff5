"""``python -m representations list|fit|transform|report|doctor``."""

from representations.console import run_cli

if __name__ == "__main__":

    def _main() -> int | None:
        from representations.cli import main

        return main()

    run_cli(_main)
