"""Other packages that answer the same questions, one a file; none is needed by the rest."""

from benchmarks.peers.base import Answer, Peer, Question, create, names, register, version_of

__all__ = ["Answer", "Peer", "Question", "create", "names", "register", "version_of"]
