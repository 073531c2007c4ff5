"""Every AnnData key of the project, once."""

from __future__ import annotations

from typing import Final


class Obs:
    """Columns of ``adata.obs``."""

    CELL_TYPE: Final = "cell_type"
    CELL_TYPE_COARSE: Final = "cell_type_coarse"
    CELL_TYPE_ONTOLOGY: Final = "cell_type_ontology_term_id"
    BATCH: Final = "batch"
    DONOR: Final = "donor"
    PERTURBATION: Final = "perturbation"
    TARGETS: Final = ("target_1", "target_2")
    REACHED: Final = "representation_reached"
    CLIP_CELL_TYPE: Final = "clip_cell_type"
    CLIP_SCORE: Final = "clip_cell_type_score"
    CLIP_QUERY: Final = "clip_query_score"
    SCIMILARITY_CELL_TYPE: Final = "scimilarity_cell_type"
    SCIMILARITY_SCORE: Final = "scimilarity_score"
    SCIMILARITY_BEST: Final = "scimilarity_best_cell_type"
    SCIMILARITY_REASON: Final = "scimilarity_reason"
    SCIMILARITY_TYPES: Final = "scimilarity_types"
    SCIMILARITY_ONTOLOGY: Final = "scimilarity_ontology_term_id"
    SCIMILARITY_ONTOLOGY_LABEL: Final = "scimilarity_ontology_label"

    @staticmethod
    def reached(key: str) -> str:
        """Flag beside ``obsm[key]``: False where the fit has no place for a cell."""
        return f"{key}_reached"

    @staticmethod
    def confidence(key: str) -> str:
        """How sure the fit is of a cell's coordinates in ``obsm[key]``, from 0 to 1."""
        return f"{key}_confidence"


class Obsm:
    """Entries of ``adata.obsm``."""

    PROTEIN: Final = "protein"
    PROTEIN_ISOTYPE: Final = "protein_isotype"
    LIBRARY: Final = "library"
    CLIP_CELL: Final = "X_clip_cell"
    CLIP_MARKER: Final = "X_clip_marker"
    SCIMILARITY: Final = "X_scimilarity"

    @staticmethod
    def representation(name: str) -> str:
        """Key of a representation: ``pca`` gives ``X_pca``."""
        return f"X_{name}"

    @staticmethod
    def spread(key: str) -> str:
        """Standard deviations of the first columns of ``obsm[key]``, where they are known."""
        return f"{key}_spread"


class Uns:
    """Entries of ``adata.uns``."""

    DATASET: Final = "dataset"
    CLIP: Final = "clip_align"
    CLIP_QUERY: Final = "clip_query"
    SCIMILARITY: Final = "scimilarity"
