"""Arguments that several commands take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

Data = Annotated[Positional[Path], arg(metavar="DATA.h5ad")]
RunFolder = Annotated[Positional[Path], arg(metavar="RUN")]
Query = Annotated[Positional[Path], arg(metavar="QUERY.h5ad")]
OutFolder = Annotated[Path, arg(aliases=["-o"], metavar="RUN")]
ReportFolder = Annotated[Path, arg(aliases=["-o"], metavar="FOLDER")]
OutFile = Annotated[Path, arg(aliases=["-o"], metavar="OUT.h5ad")]
