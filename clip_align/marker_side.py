"""What a training reads of markers: names, profiles, genes that leave the cell side, descriptions.

One view, antibodies or genes of the panel, or both (:mod:`clip_align.markers.two_views`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias, cast

import numpy as np
from anndata import AnnData

from clip_align.config import TrainConfig
from clip_align.encoders import reads_descriptions
from clip_align.markers import available_markers, marker_genes, marker_profile, markers_under
from clip_align.markers.descriptions import Courses, mean_courses, width_of
from clip_align.markers.normalise import log_normalise
from clip_align.markers.profile import View
from clip_align.markers.protein_embedding import ProteinEmbedding
from clip_align.markers.two_views import BOTH, MarkerColumns, genes_of_any
from clip_align.models import ModelConfig
from clip_align.pairs import PairedCells
from representations.errors import InputError, naming
from representations.keys import Obsm
from representations.preprocess import counts

RunView: TypeAlias = Literal["adt", "rna", "both"]
PLAIN, DESCRIBED = ModelConfig().marker.encoder, "described_set"


@dataclass(frozen=True, kw_only=True)
class MarkerSide:
    """Markers of a training; ``nodes`` are those of a hierarchy that the model reads.

    ``proteins`` are what a user knows of them beside.
    """

    view: RunView
    markers: tuple[str, ...]
    nodes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    proteins: ProteinEmbedding | None = None

    @classmethod
    def of(
        cls, adata: AnnData, view: RunView, *, hierarchy: bool, source: str,
        proteins: ProteinEmbedding | None = None,
    ) -> MarkerSide:  # fmt: skip
        """Every marker that the cells have; raises ``InputError`` for fewer than two."""
        if view != "rna" and Obsm.PROTEIN not in adata.obsm:
            raise InputError(
                f'{source}: no obsm["{Obsm.PROTEIN}"] with antibody counts; add it or use '
                "--view rna"
            )
        with naming(source):
            markers = available_markers(adata, "adt" if view == BOTH else view)
            if view == BOTH and markers:
                markers = MarkerColumns.of([adata]).names
        if len(markers) < 2:
            raise InputError(f"{source}: {len(markers)} {view} markers are measured; 2 are needed")
        nodes = markers_under(markers, cast(View, view)) if hierarchy else {}
        return cls(view=view, markers=markers, nodes=nodes, proteins=proteins)

    @property
    def columns(self) -> MarkerColumns:
        """Of both views."""
        return MarkerColumns.named(self.markers)

    def genes(self) -> tuple[str, ...]:
        """Genes that a cell side must not read; of both views those of markers yet to come too."""
        if self.view == BOTH:
            return tuple(sorted(genes_of_any()))
        return marker_genes(self.markers, self.view)

    def profile(self, adata: AnnData) -> np.ndarray:
        """Profiles ``(n, m)``."""
        if self.view == BOTH:
            return self.columns.profile(adata)
        profile = marker_profile(adata, view=self.view, markers=self.markers)
        return np.asarray(profile.to_numpy())

    def courses(self, adata: AnnData, state_nd: np.ndarray) -> Courses:
        """What is known of every gene that some marker may be of; nothing for a single view."""
        if self.view != BOTH:
            return {}
        genes = [gene for gene in adata.var_names if gene in genes_of_any()]
        x_ng = counts(adata)
        depth_n = np.asarray(x_ng.sum(axis=1, dtype=np.float64)).ravel()
        block_ng = x_ng[:, adata.var_names.get_indexer(genes)].toarray()
        courses = mean_courses([(genes, log_normalise(block_ng, depth_n), state_nd)])
        return (
            courses if self.proteins is None else self.proteins.beside(courses, state_nd.shape[1])
        )

    def n_features(self, cell_dim: int) -> int:
        """Numbers known of a gene: its course with each of the cells' features, its embedding."""
        return cell_dim + (0 if self.proteins is None else self.proteins.width)

    def described(self, pairs: PairedCells, courses: Courses) -> PairedCells:
        """Pairs with what is known of their markers, where the view is both."""
        if self.view != BOTH:
            return pairs
        return replace(
            pairs, facts=self.columns.facts(courses, self.n_features(pairs.cell_nd.shape[1]))
        )


def for_view(config: TrainConfig, view: RunView, n_features: int) -> TrainConfig:
    """The training for a view: both views are read by an encoder of described sets.

    ``n_features`` are those known of a gene: of the cell's state, of a protein embedding.

    Raises ``InputError`` for what the view cannot have.
    """
    marker = config.model.marker
    if marker.described is not None or config.model.cell.described is not None:
        raise InputError("described: follows from the features with --view both; leave it out")
    if view != BOTH:
        return config
    if config.model.hierarchy:
        raise InputError("model.hierarchy: is for one view; leave it out or choose a view")
    if marker.encoder != PLAIN and not reads_descriptions(marker.encoder):
        raise InputError(
            f"model.marker.encoder={marker.encoder}: both views are read by {DESCRIBED!r}; leave "
            "it out"
        )
    marker = replace(marker, encoder=DESCRIBED, described=width_of(n_features))
    return replace(config, model=replace(config.model, marker=marker))
