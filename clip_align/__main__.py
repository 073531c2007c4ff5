"""``python -m clip_align``."""

from representations.console import run_cli

if __name__ == "__main__":

    def _main() -> int | None:
        from clip_align.cli import main

        return main()

    run_cli(_main)
