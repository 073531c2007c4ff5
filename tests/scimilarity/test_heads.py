"""What every head of the registry does, one added later too."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from clip_align.scimilarity.heads import heads
from clip_align.seeding import seeded
from representations.errors import InputError

IN_DIM, N_TYPES = 16, 5


@pytest.fixture(scope="module", params=heads.names())
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def made(name: str, in_dim: int = IN_DIM, n_types: int = N_TYPES, *, seed: int = 0):
    with seeded(seed):
        return heads.get(name)(in_dim, n_types)


def unit(n: int, e: int = IN_DIM, *, seed: int = 0) -> Tensor:
    return functional.normalize(torch.randn(n, e, generator=torch.Generator().manual_seed(seed)))


def test_the_registry_has_both_and_names_the_nearest() -> None:
    assert {"linear", "mlp"} <= set(heads.names())
    with pytest.raises(InputError, match=r"no head 'liner'.*did you mean 'linear'"):
        heads.get("liner")


@pytest.mark.parametrize(("in_dim", "n_types"), [(16, 5), (1, 2), (128, 40)])
@pytest.mark.parametrize("n", [0, 1, 7])
def test_one_finite_logit_a_type(name: str, in_dim: int, n_types: int, n: int) -> None:
    head = made(name, in_dim, n_types).eval()
    for z_ne in (unit(n, in_dim), torch.zeros(n, in_dim)):
        logit_nt = head(z_ne)
        assert logit_nt.shape == (n, n_types)
        assert logit_nt.isfinite().all()


def test_every_weight_and_the_embedding_have_a_finite_gradient(name: str) -> None:
    head, z_be = made(name).train(), unit(32).requires_grad_()
    with seeded(0):
        functional.cross_entropy(head(z_be), torch.arange(32) % N_TYPES).backward()
    for leaf in (z_be, *head.parameters()):
        assert leaf.grad is not None
        assert leaf.grad.isfinite().all()
        assert leaf.grad.any()


def test_in_evaluation_a_row_is_judged_alone_and_alike(name: str) -> None:
    head, z_ne = made(name).eval(), unit(12)
    logit_nt = head(z_ne)
    assert torch.equal(head(z_ne), logit_nt)
    for i in range(12):
        torch.testing.assert_close(head(z_ne[i : i + 1])[0], logit_nt[i], atol=1e-6, rtol=0)
    torch.testing.assert_close(head(z_ne.flip(0)), logit_nt.flip(0), atol=1e-6, rtol=0)


def test_the_seed_decides_the_start(name: str) -> None:
    z_ne = unit(4)
    first, same, other = (made(name, seed=seed).eval()(z_ne) for seed in (0, 0, 1))
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


def test_weights_are_all_there_is_to_keep(name: str) -> None:
    head, other = made(name, seed=0).eval(), made(name, seed=1).eval()
    other.load_state_dict(head.state_dict())
    assert torch.equal(other(unit(6)), head(unit(6)))


@pytest.mark.parametrize("in_dim", [8, 128])
def test_types_that_are_apart_are_learned_at_any_width(name: str, in_dim: int) -> None:
    """Within a few steps of one learning rate."""
    head, type_n = made(name, in_dim), torch.arange(60) % N_TYPES
    z_ne = functional.normalize(unit(N_TYPES, in_dim)[type_n] + 0.3 * unit(60, in_dim, seed=1))
    optimizer = torch.optim.Adam(head.parameters(), lr=1e-2)
    with seeded(0):
        for _ in range(80):
            optimizer.zero_grad()
            functional.cross_entropy(head.train()(z_ne), type_n).backward()
            optimizer.step()
    assert (head.eval()(z_ne).argmax(dim=1) == type_n).all()


def test_logits_start_as_wide_at_any_width(name: str) -> None:
    """Entries of unit vectors shrink with their number: a head makes up for it."""
    spread = {e: made(name, e, 50).eval()(unit(200, e)).std(dim=0).mean() for e in (8, 32, 128)}
    assert max(spread.values()) < 2 * min(spread.values())
