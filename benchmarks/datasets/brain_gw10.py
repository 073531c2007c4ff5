"""Fetal cortex cultures, gestational week 10: counts recovered from log-normalised values."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from benchmarks.datasets.base import Dataset, Files, register
from benchmarks.datasets.canonical import Raw
from benchmarks.datasets.h5 import categorical, csr, index, open_bytes
from benchmarks.datasets.sources import UrlFile
from representations.errors import InputError

_DATA = (
    "https://raw.githubusercontent.com/AyushBhardwaj261/"
    "LoRA-Fine-Tuning-and-Deployment-of-SCimilarity/"
    "a4ee3f74f2e109a57dfb68b536843bc10a3793f8/data"
)
# Part of the published split -> its file.
PARTS = {
    "val": UrlFile(
        url=f"{_DATA}/val.h5ad",
        filename="brain_gw10_val.h5ad",
        sha256="07341f3876df3a5a1c659df076b99fd481c030922e29a6080aac90a28b584d62",
    ),
    "test": UrlFile(
        url=f"{_DATA}/test.h5ad",
        filename="brain_gw10_test.h5ad",
        sha256="3ecf712f1ced14c1f2220192cbcbf950f3938efee2a44c11ce0c1846e86e75b7",
    ),
}
TARGET = 1e4  # what the published values of a cell summed to before the logarithm


@register(
    Dataset(
        name="brain_gw10",
        title="Human fetal cortex in culture, week 10: 4,474 cells, 2,000 genes, 11 labels",
        citation="doi:10.1101/2025.07.28.667119, CortexCultures4Days11DaysInVitro, distributed by "
        "CZ CELLxGENE Discover; normalised and split by A. Bhardwaj, "
        "LoRA-Fine-Tuning-and-Deployment-of-SCimilarity, 2025",
        licence="CC BY 4.0 (CELLxGENE data); MIT (the repository that carries it)",
        caveats=(
            "One donor: no claim across donors can be made from it. Batches are its two samples.",
            "2,000 genes chosen upstream, on all cells of every part of the split: about an eighth "
            "of a cell's counts, so that their sum is no measure of its depth.",
            "The files are the validation and the test part of one random split by cell; its "
            "training part (eight cells in ten) is not among them.",
            "Counts are recovered from log1p of counts per 10,000; a cell that does not come out "
            "as integers is refused.",
            "Labels were made from the same transcripts. 'unknown' are the cells that the "
            "publication calls doublets.",
            "No antibodies, and few immune genes: markers are the expression of the panel's genes.",
        ),
        sources=tuple(PARTS.values()),
        views=("rna",),
    )
)
def build(files: Files) -> Raw:
    """Both parts under each other; ``obs["part"]`` tells which part of the split a cell is in."""
    counts, genes, cells, types, samples, parts = [], [], [], [], [], []
    for part, source in PARTS.items():
        with open_bytes(files[source.filename].read_bytes(), name=source.filename) as file:
            obs = file["obs"]
            cells += (names := index(obs))
            counts.append(recover_counts(csr(file["X"]), obs["total_UMIs"][:], cells=names))
            genes.append(categorical(file["var"], "feature_name"))
            types += categorical(obs, "cell_type")
            samples += categorical(obs, "sample_id")
            parts += [part] * len(names)
    if genes[0] != genes[1]:
        listed = " and ".join(source.filename for source in PARTS.values())
        raise InputError(
            f"brain_gw10: {listed} name different genes; delete both from the cache and run again"
        )
    return Raw(
        counts_ng=sp.vstack(counts),
        genes=genes[0],
        cells=cells,
        cell_type=types,
        batch=samples,
        obs={"part": parts},
    )


def recover_counts(
    log_ng: sp.csr_matrix, totals_n: np.ndarray, *, cells: list[str]
) -> sp.csr_matrix:
    """Integer counts behind ``log1p(counts / total * TARGET)``, float32 CSR (n, g).

    The smallest value of a cell stands for k counts (one, in every published cell): k is the
    integer that brings the total which the values imply closest to the published one,
    ``totals_n``. The two differ a little, as the published one also counts genes that were left
    out before; by up to a twentieth, which leaves no doubt as long as k < 10.

    Raises
    ------
    InputError
        The total of a cell differs from the published one by more than a twentieth whatever k, or
        a value is further than 0.01 from an integer.
    """
    values = np.expm1(log_ng.data.astype(np.float64))
    row_of = np.repeat(np.arange(len(cells)), np.diff(log_ng.indptr))
    smallest_n = np.full(len(cells), np.inf)
    np.fmin.at(smallest_n, row_of, values)
    some_n = np.isfinite(smallest_n)  # a cell without counts has nothing to recover
    ratio_n = np.ones(len(cells))
    ratio_n[some_n] = totals_n[some_n] * smallest_n[some_n] / TARGET
    k_n = np.maximum(np.rint(ratio_n), 1)
    counts = values / smallest_n[row_of] * k_n[row_of]
    unfit_n = np.abs(ratio_n / k_n - 1) > 0.05
    unfit_n[row_of[~(np.abs(counts - np.rint(counts)) <= 0.01)]] = True  # not a number is unfit
    if unfit_n.any():
        raise InputError(
            f"brain_gw10: {int(unfit_n.sum())} of {len(cells)} cells are no counts per 10,000 "
            f"(first: {cells[int(unfit_n.argmax())]!r}); delete the files from the cache and run "
            "again"
        )
    whole = np.rint(counts).astype(np.float32)
    return sp.csr_matrix((whole, log_ng.indices, log_ng.indptr), shape=log_ng.shape)
