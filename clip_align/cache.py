"""Hard negatives from a cache of recent embeddings (Wang 2020, arXiv:1912.06798).

The embeddings of past steps are kept, a pair once. What lies nearest to a pair is searched for
seldom and the list reused, each time with the embeddings as they are by then. It is written after
the loss, and no list holds the pair itself or one of its profile.

Shapes: ``n`` training pairs, ``s`` places of the cache, ``b`` pairs of a batch, ``h`` negatives of
each, ``e`` embedding dimensions.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from einops import einsum
from torch import Tensor, nn
from torch.nn import functional as F

from clip_align.cache_config import READS_LABELS, CacheConfig
from clip_align.hard_search import NONE, searches
from clip_align.known import Known
from clip_align.losses import Mined

TOGETHER = 4  # batches whose renewals are made in one of them


@dataclass(frozen=True, kw_only=True)
class Mining:
    """What one look into the cache was worth.

    ``hits``: pairs of the batch whose negatives came from a list of an earlier batch; ``there``:
    share of the lists whose embeddings are still kept; ``false``: negatives of the pair's own type,
    where both are known; ``age``: steps since what was given out was written, the mean; ``stale``:
    share of a renewed list that the old one had not. A figure of nothing is not known: nan.
    """

    hits: float
    there: float
    false: float
    age: float
    stale: float


class NegativeCache(nn.Module):
    """Embeddings of past steps by training pair, and whom each pair lies near.

    A pair that is written again keeps its place; a new one takes the place written longest ago.
    All state is in buffers, so a state dict resumes it. Near is the sum of both cosines, of the
    pair's cell to a marker profile and of its profile to that one's cell.
    """

    def __init__(self, known: Known, embed_dim: int, config: CacheConfig | None = None) -> None:
        super().__init__()
        self.config = config or CacheConfig()
        self.config.check()
        unit_nm, group_n = known.profile_nm.unique(dim=0, return_inverse=True)
        n, n_distinct = len(known.type_n), len(unit_nm)
        self.size = min(self.config.size, n_distinct)
        self.unit_nm, self.group_n = F.normalize(known.profile_nm, dim=1), group_n
        self.type_n, self.embed_dim = known.type_n, embed_dim
        self.own_n = [known.type_n]  # numbers of groups whose members are spared, -1 for none
        if self.config.spared == "lineage" and known.lineage_n is not None:
            self.own_n.append(known.lineage_n)
        self.search = searches.get(self.config.search)
        empty = {
            "entry_s2e": torch.zeros(self.size, 2 * embed_dim),  # marker profile, then cell
            "row_s": torch.full((self.size,), NONE),
            "written_s": torch.full((self.size,), NONE),
            "place_n": torch.full((n,), NONE),
            "list_nh": torch.full((n, self.config.negatives), NONE),
            "searched_n": torch.full((n,), NONE),
            "clock": torch.tensor(0),
        }
        for name, value in empty.items():
            self.register_buffer(name, value)

    entry_s2e: Tensor
    row_s: Tensor
    written_s: Tensor
    place_n: Tensor
    list_nh: Tensor
    searched_n: Tensor
    clock: Tensor

    def __len__(self) -> int:
        return int((self.row_s != NONE).sum())

    @torch.no_grad()
    def update(self, index_b: Tensor, cell_be: Tensor, marker_be: Tensor) -> None:
        """Keep the embeddings of a batch; to be called after its loss."""
        index_b, cell_be, marker_be = (x[-self.size :] for x in (index_b, cell_be, marker_be))
        known_b = self.place_n[index_b]
        self.written_s[known_b[known_b != NONE]] = self.clock
        new_b = index_b[known_b == NONE]
        place_b = self.written_s.topk(len(new_b), largest=False).indices
        left_b = self.row_s[place_b]
        self.place_n[left_b[left_b != NONE]] = NONE
        self.place_n[new_b], self.row_s[place_b] = place_b, new_b
        self.written_s[self.place_n[index_b]] = self.clock
        self.entry_s2e[self.place_n[index_b]] = torch.cat([marker_be, cell_be], dim=1)
        self.clock += 1

    @torch.no_grad()
    def mine(
        self, index_b: Tensor, cell_be: Tensor, marker_be: Tensor
    ) -> tuple[Mined | None, Mining]:
        """Hard negatives of a batch, None from an empty cache; some lists are renewed on the way.

        Pairs without a list are searched, or with one of which less than half is still kept. Once
        in a few batches those longest unsearched are too, as many as make ``1 / renewed`` of all.
        """
        _, there_bh = self._places(index_b)
        hollow_b = 2 * there_bh.sum(dim=1) < (self.list_nh[index_b] != NONE).sum(dim=1)
        searched_b = self.searched_n[index_b].masked_fill(hollow_b, NONE)
        n_due = max(self._due(len(index_b)), int((searched_b == NONE).sum()))
        due_d = searched_b.argsort(stable=True)[:n_due]
        reused_b = searched_b != NONE
        reused_b[due_d] = False
        stale = self._renew(index_b[due_d], torch.cat([cell_be, marker_be], dim=1)[due_d])
        row_bh = self.list_nh[index_b]
        place_bh, there_bh = self._places(index_b)
        entry_bh2e = F.embedding(place_bh.clamp(min=0), self.entry_s2e)
        mined = Mined(
            marker_bhe=entry_bh2e[..., : self.embed_dim],
            cell_bhe=entry_bh2e[..., self.embed_dim :],
            there_bh=there_bh,
            weight=self._weight(len(index_b)),
        )
        type_bh, own_b1 = self.type_n[row_bh][there_bh], self.type_n[index_b][:, None]
        own = own_b1.expand_as(row_bh)[there_bh]
        told = Mining(
            hits=_mean(reused_b & there_bh.any(dim=1)),
            there=_mean(there_bh[row_bh != NONE]),
            false=_mean((type_bh == own)[(own >= 0) & (type_bh >= 0)]),
            age=_mean(self.clock - self.written_s[place_bh[there_bh]]),
            stale=stale,
        )
        return (mined if there_bh.any() else None), told

    def _places(self, index_b: Tensor) -> tuple[Tensor, Tensor]:
        """Where the entries of lists are, and which are kept: one may have lost its place since."""
        row_bh = self.list_nh[index_b]
        place_bh = torch.where(row_bh == NONE, NONE, self.place_n[row_bh])
        return place_bh, place_bh != NONE

    def _due(self, b: int) -> int:
        """How many of a batch are to be renewed: many at a time, as one product costs less."""
        every = min(TOGETHER, self.config.renewed)
        return 0 if self.clock % every else -(-b * every // self.config.renewed)

    def _weight(self, b: int) -> float:
        """Of a mined negative: with no weight given, the chance that a batch holds it."""
        return self.config.weight or min(1.0, (b - 1) / max(len(self.type_n) - 1, 1))

    def allowed(self, index_b: Tensor, place_bk: Tensor | None = None) -> Tensor:
        """Which places hold a negative of a pair: of all ``(b, s)``, or those named ``(b, k)``."""
        row_bk = self.row_s[None] if place_bk is None else self.row_s[place_bk]
        there_bk, row_bk = row_bk != NONE, row_bk.clamp(min=0)
        allowed_bk: Tensor = (self.group_n[index_b][:, None] != self.group_n[row_bk]) & there_bk
        if self.config.spared != "duplicates":
            own_bm = self.unit_nm[index_b]
            if place_bk is None:
                like_bk = own_bm @ F.embedding(row_bk[0], self.unit_nm).T
            else:
                like_bk = einsum(own_bm, F.embedding(row_bk, self.unit_nm), "b m, b k m -> b k")
            allowed_bk &= like_bk < self.config.likeness
        for own_n in self.own_n if self.config.spared in READS_LABELS else ():
            own_b1 = own_n[index_b][:, None]
            allowed_bk &= (own_b1 != own_n[row_bk]) | (own_b1 < 0)
        return allowed_bk

    def _renew(self, index_d: Tensor, query_d2e: Tensor) -> float:
        """Search for these pairs; returns what share of the lists is new to those that had one."""

        def allowed(query_q: Tensor, entry_qk: Tensor | None = None) -> Tensor:
            return self.allowed(index_d[query_q], entry_qk)

        if len(index_d) == 0:
            return float("nan")
        place_dh = self.search(query_d2e, self.entry_s2e, allowed, self.config.negatives)
        row_dh = torch.where(place_dh == NONE, NONE, self.row_s[place_dh])
        before_dh, found_dh = self.list_nh[index_d], row_dh != NONE
        new_dh = (row_dh[:, :, None] != before_dh[:, None]).all(dim=2) & found_dh
        had_d = (self.searched_n[index_d] != NONE)[:, None] & found_dh
        self.list_nh[index_d] = row_dh
        # of a cache that is not half full the nearest are not near: searched for when met again
        well_d = found_dh.any(dim=1) & (2 * len(self) >= self.size)
        self.searched_n[index_d] = torch.where(well_d, self.clock, NONE)
        return _mean(new_dh[had_d])


def _mean(values: Tensor) -> float:
    return values.float().mean().item()
