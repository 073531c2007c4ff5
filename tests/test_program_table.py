"""The block of K562's programmes: each class with its interval, each control by its name."""

from __future__ import annotations

from benchmarks import program_table, records
from benchmarks.programmes import CLASSES
from tests.test_lead import record

ROWS = [
    ("programme", (0.6, 0.7), None), ("perturbation_mean", (0.8, 0.9), None),
    ("chance", (0.5, 0.5), None), ("programme", (0.51, 0.52), {"control": "shuffled_arms"}),
]  # fmt: skip


def told(root) -> str:
    for model, values, variant in ROWS:
        for seed in range(2):
            made = record(model, 0.0, seed, variant, "none")
            metrics = {
                f"auroc[{kind}]": record(model, value, seed).metrics["pair_accuracy"]
                for kind, value in zip(CLASSES, values, strict=True)
            }
            same = {"suite": "k562", "task": "k562_program", "metrics": metrics}
            records.save(made.model_copy(update=same), root)
    return program_table.block(root)


def test_rows_are_by_class_and_controls_frame_them(tmp_path):
    lines = [line for line in told(tmp_path).splitlines() if line.startswith("| ")][2:]
    assert [line.split(" ")[1].rstrip(",") for line in lines] == [
        "perturbation_mean", "programme", "programme", "chance",
    ]  # fmt: skip
    assert "(split-half, positive control) | 0.800 [" in lines[0]
    assert lines[1].startswith("| programme, a mean of marker genes | 0.600 [")
    assert " | 0.700 [" in lines[1]
    assert "control=shuffled_arms (negative control) | 0.510 [" in lines[2]


def test_other_tasks_of_the_suite_have_no_part(tmp_path):
    records.save(record("ridge", 0.9, 0).model_copy(update={"suite": "k562"}), tmp_path)
    assert program_table.block(tmp_path) == ""
    assert "ridge" not in told(tmp_path)
