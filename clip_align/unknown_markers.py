"""A model that is asked of markers it was not trained with: they enter by their descriptions.

Shapes: ``m`` markers of the model, ``k`` unknown ones, ``c`` numbers that describe one.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from clip_align.encoders.described_set import DescribedSetEncoder
from clip_align.models import DiffMapProteinCLIP, models
from clip_align.seeding import seeded
from representations.errors import InputError

# Of each marker: buffers of the scale, own token, description.
NEW = {"mean_d": 0.0, "std_d": 1.0, "scale_d": 1.0, "token_mjw": 0.0, "description_mc": 0.0}


def with_markers(model: DiffMapProteinCLIP, description_kc: np.ndarray) -> DiffMapProteinCLIP:
    """A model of ``m + k`` markers, the last ``k`` of them known by description alone.

    It embeds cells and the ``m`` markers as ``model`` does. Values of the others are taken as
    standardised already, mean 0 and deviation 1. ``model`` is not changed.

    Raises
    ------
    InputError
        The model does not read descriptions, or descriptions as wide, or it reads a hierarchy.
    """
    encoders = [x for x in model.marker.modules() if isinstance(x, DescribedSetEncoder)]
    if not encoders:
        raise InputError(
            f"marker encoder {model.config.marker.encoder!r} does not read descriptions: train "
            "with 'described_set' to ask of unknown markers"
        )
    if model.config.hierarchy:
        raise InputError("a model that reads a hierarchy takes no unknown markers")
    wide, given = encoders[0].description_mc.shape[1], description_kc.shape[1]
    if wide != given:
        raise InputError(f"descriptions of {given} numbers, the model reads {wide}")
    with seeded(0):
        wider = models.get(model.config.name)(
            model.cell_dim, model.marker_dim + len(description_kc), model.config
        )
    state = {name: _padded(name, x, len(description_kc)) for name, x in model.state_dict().items()}
    wider.load_state_dict(state)
    for module in wider.marker.modules():
        if isinstance(module, DescribedSetEncoder):
            added = torch.from_numpy(np.float32(description_kc))
            module.description_mc[model.marker_dim :] = added
    return wider.train(model.training)


def _padded(name: str, x: Tensor, k: int) -> Tensor:
    last = name.rpartition(".")[2]
    if not name.startswith("marker.") or last not in NEW:
        return x
    return torch.cat([x, x.new_full((k, *x.shape[1:]), NEW[last])])
