"""Where an alignment goes wrong: pure functions over embeddings, types and marker profiles."""

from clip_align.analysis.analyse import Analysis, analyse
from clip_align.analysis.tree import TypeTree, type_tree
from clip_align.analysis.write import FILES, write

__all__ = ["FILES", "Analysis", "TypeTree", "analyse", "type_tree", "write"]
