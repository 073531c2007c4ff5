"""What TensorBoard shows of a healthy and of a collapsed training: a picture of its first tab.

Trains twice on TEA-seq, starts TensorBoard on this machine alone and takes a picture of it with
Chromium (``--browser`` names another one that takes its options).
"""

from __future__ import annotations

import argparse
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from clip_align.monitor_layout import TAB

OUT = Path("results/figures/tensorboard_collapse.png")
RUNS = {
    "healthy": ["--monitor.shuffled-training"],
    "weight_decay_500": ["--train.weight-decay", "500", "--fail-on-collapse"],
}
EPOCHS = "15"
START_SECONDS, DRAW_MS = 60, 30_000
SIZE = "1500,1060"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--browser", default="chromium")
    options = parser.parse_args()
    if shutil.which(options.browser) is None:
        sys.exit(f"error: {options.browser} is not installed; name a Chromium with --browser")
    with tempfile.TemporaryDirectory() as folder:
        data, logs = Path(folder) / "teaseq.h5ad", Path(folder) / "runs"
        python("benchmarks", "datasets", "export", "teaseq", "-o", str(data))
        for name, settings in RUNS.items():
            run = ["train", str(data), "-o", str(logs / name), "--train.epochs", EPOCHS]
            python("clip_align", *run, *settings, codes=(0, 3))
        draw(logs, options.browser, options.out)
    print(options.out)


def python(module: str, *args: str, codes: tuple[int, ...] = (0,)) -> None:
    """Run a command of this repository; any exit code but ``codes`` ends the script."""
    code = subprocess.run([sys.executable, "-m", module, *args], check=False).returncode  # noqa: S603
    if code not in codes:
        sys.exit(code)


def draw(logs: Path, browser: str, out: Path) -> None:
    """Picture of the tab that ``train`` names."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}/"
    where = ["--logdir", logs.name, "--host", "127.0.0.1", "--port", str(port)]
    command = [sys.executable, "-m", "tensorboard.main", *where]
    with subprocess.Popen(command, cwd=logs.parent, stderr=subprocess.DEVNULL) as server:  # noqa: S603
        try:
            wait_for(address + "data/runs")
            subprocess.run(  # noqa: S603
                [
                    browser, "--headless", "--no-sandbox", "--hide-scrollbars",
                    f"--window-size={SIZE}", f"--virtual-time-budget={DRAW_MS}",
                    f"--screenshot={out.resolve()}", address + TAB,
                ],
                check=True, capture_output=True, timeout=180,
            )  # fmt: skip
        finally:
            server.terminate()


def wait_for(address: str) -> None:
    """Until TensorBoard answers with a run."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(address, timeout=5) as answer:  # noqa: S310
                if len(answer.read()) > len("[]"):
                    return
        except urllib.error.URLError:
            pass
        time.sleep(0.5)
    sys.exit(f"error: TensorBoard shows no run at {address} after {START_SECONDS} s")


if __name__ == "__main__":
    main()
