"""Where an alignment goes wrong: pure functions over embeddings, types and marker profiles."""

from clip_align.analysis.folder import FILES, write
from clip_align.analysis.tree import TypeTree, type_tree
from clip_align.analysis.whole import Analysis, analyse

__all__ = ["FILES", "Analysis", "TypeTree", "analyse", "type_tree", "write"]
