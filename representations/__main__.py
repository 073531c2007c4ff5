"""``python -m representations list|fit|transform``."""

from representations.console import run_cli

if __name__ == "__main__":

    def _main() -> None:
        from representations.cli import main

        main()

    run_cli(_main)
