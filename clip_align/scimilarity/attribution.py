"""Which genes a classifier reads in each type, by integrated gradients. Extra ``[interpret]``.

Shapes: ``n`` cells, ``k`` genes that the cells measure, ``c`` cells of one type, ``t`` types.
"""

from __future__ import annotations

import copy
import importlib
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from clip_align.ranges import within
from clip_align.scimilarity.cells import GeneMatch
from clip_align.scimilarity.classifier import Classifier
from clip_align.scimilarity.network import embed
from representations.errors import InputError

Baseline: TypeAlias = Literal["zero", "mean"]
COLUMNS = (
    "type", "gene", "rank", "attribution", "expressed_share", "present", "n_cells", "gap",
    "baseline",
)  # fmt: skip
ROWS_AT_ONCE = 1024  # cells times steps, so that memory does not depend on how many there are


def attribute(
    classifier: Classifier,
    x_nk: Tensor,
    match: GeneMatch,
    type_n: Tensor | np.ndarray,
    *,
    baseline: Baseline = "zero",
    most_cells: int = 100,
    n_top: int = 20,
    n_steps: int = 50,
    seed: int = 0,
    progress: bool = True,
) -> pd.DataFrame:
    """Genes that raise the logit of each type most, over cells whose likeliest type is their own.

    Integrated gradients (Sundararajan et al. 2017, arXiv:1703.01365) share out the difference of
    the logit between a baseline and a cell among its genes; their mean over cells is given.

    Parameters
    ----------
    x_nk, match
        Log-normalised cells as :func:`clip_align.scimilarity.cells.expression` gives them, dense,
        and the genes that their columns are.
    type_n
        Position of each cell's true type in ``classifier.types``.
    baseline
        ``zero``: no gene is expressed. That is what a missing count means, it is the same for
        every cell and type, and a gene counts only where a cell has it; but no cell is like that,
        and what all cells have much of comes first (mitochondrial genes). ``mean``: the mean of
        the cells given, so that this asks what tells a type from them; an absent gene counts too.
    most_cells, seed
        Of each type so many cells at most, drawn by the seed.
    n_top, n_steps
        Genes to keep of each type, and steps from the baseline to a cell.

    Returns
    -------
    pandas.DataFrame
        ``COLUMNS``, by type and rank: ``attribution`` in units of the logit, ``expressed_share``
        of the ``n_cells`` explained. ``present``: whether they have more of the gene, by the mean,
        than the baseline; where they have not, it is the lack of it that is read. ``gap`` is how
        far a type is from complete: the largest |sum of attributions - difference of the logit| of
        a cell, in units of the mean |difference| of its type; take more steps where it is not
        small. A type without a right cell is left out.

    Raises
    ------
    InputError
        Captum is missing, a setting is out of range, the columns are not those of ``match``, or no
        cell has its own type as the likeliest.
    """
    _check(x_nk, match, baseline, most_cells=most_cells, n_top=n_top, n_steps=n_steps)
    method = _captum()
    encoder = classifier.encoder.on_genes(match.columns)
    logits = nn.Sequential(encoder, copy.deepcopy(classifier.head)).eval()
    true_n = np.asarray(type_n)
    right_n = embed(logits, x_nk).argmax(dim=1).numpy() == true_n
    if not right_n.any():
        raise InputError(f"none of {len(true_n)} cells is given its own type: nothing to explain")
    start_1k = x_nk.mean(dim=0, keepdim=True) if baseline == "mean" else torch.zeros_like(x_nk[:1])
    genes_k = np.array(classifier.genes, dtype=object)[match.model_k]
    rng, tables = np.random.default_rng(seed), []
    there = np.unique(true_n[right_n]).tolist()
    for t in tqdm(there, desc="attribution", disable=None if progress else True):
        rows_c = rng.permutation(np.flatnonzero(right_n & (true_n == t)))[:most_cells]
        x_ck = x_nk[torch.from_numpy(rows_c)]
        mean_k, gap = _explain(method(logits), x_ck, start_1k, t, n_steps)
        of_gene = pd.DataFrame({
            "gene": genes_k, "attribution": mean_k,
            "expressed_share": (x_ck > 0).float().mean(dim=0).numpy(),
            "present": (x_ck.mean(dim=0) > start_1k[0]).numpy(),
        })  # fmt: skip
        tables.append(
            _top(of_gene, n_top).assign(
                type=classifier.types[t], n_cells=len(rows_c), gap=gap, baseline=baseline
            )[list(COLUMNS)]
        )
    return pd.concat(tables, ignore_index=True)


def _explain(
    method: Any, x_ck: Tensor, start_1k: Tensor, t: int, n_steps: int
) -> tuple[np.ndarray, float]:
    """Mean attributions ``(k,)`` of cells to the logit of a type, and the largest relative gap."""
    at_once = max(1, ROWS_AT_ONCE // n_steps)
    # PReLU leaves kinks on the path: the middle of each step is as near as Gauss-Legendre there,
    # whose nodes take longer to find the more there are.
    how = {"baselines": start_1k, "target": t, "n_steps": n_steps, "method": "riemann_middle"}
    parts = [method.attribute(part, **how).detach() for part in x_ck.split(at_once)]
    found_ck = torch.cat(parts)
    logits = method.forward_func
    difference_c = (embed(logits, x_ck) - embed(logits, start_1k))[:, t]
    gap = (found_ck.sum(dim=1) - difference_c).abs().max() / difference_c.abs().mean().clamp(1e-12)
    return found_ck.mean(dim=0).numpy(), float(gap)


def _top(of_gene: pd.DataFrame, n_top: int) -> pd.DataFrame:
    """The first genes by attribution; of equal ones by name, whatever the order of the columns."""
    order = np.lexsort((of_gene["gene"].astype(str), -of_gene["attribution"]))[:n_top]
    return of_gene.iloc[order].assign(rank=np.arange(1, len(order) + 1))


def _check(x_nk: Tensor, match: GeneMatch, baseline: str, **least_one: int) -> None:
    if baseline not in (known := get_args(Baseline)):
        raise InputError(f"baseline={baseline!r} is unknown: choose {' or '.join(known)}")
    for name, value in least_one.items():
        within(name, value, 1)
    if x_nk.shape[1] != len(match.model_k):
        raise InputError(
            f"{x_nk.shape[1]} columns for {len(match.model_k)} genes: give the cells and the match "
            "that they were made with"
        )


def _captum() -> Any:
    """``IntegratedGradients``. Raises ``InputError`` where captum is not installed."""
    try:
        return importlib.import_module("captum.attr").IntegratedGradients
    except ImportError as error:
        raise InputError(
            "attribution needs captum, which cannot be imported: pip install "
            '"clip_align[interpret]"'
        ) from error
