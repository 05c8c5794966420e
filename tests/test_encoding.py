"""The contract itself: sites against hooks, models against sites."""

import pytest
import torch
from torch import Tensor

import phasor
from phasor.errors import SiteError


def prepare(self: object, positions: Tensor, **_: object) -> None:
    return None


def embed(self: object, x: Tensor, prepared: object) -> Tensor:
    return x


def look(self: object, prepared: object, *_: object) -> object:
    return prepared


def make(name: str, *parents: type, **body: object) -> type:
    return type(name, parents or (phasor.PositionEncoding,), {"paper": "none", **body})


def test_a_declared_site_without_its_hook() -> None:
    with pytest.raises(SiteError, match=r"Mine declares site 'score' but has no score_mod\(\)"):
        make("Mine", sites=frozenset({"score"}), prepare=prepare)


def test_a_hook_without_its_site() -> None:
    with pytest.raises(SiteError, match=r"Mine has embed\(\) but does not declare site 'embedd"):
        make("Mine", sites=frozenset(), embed=embed)


def test_an_unknown_site() -> None:
    with pytest.raises(SiteError, match=r"unknown site 'values'; the sites are \['embedding'"):
        make("Mine", sites=frozenset({"values"}))


def test_sites_must_be_declared() -> None:
    with pytest.raises(SiteError, match="Mine must declare its sites"):
        make("Mine")


def test_sites_without_prepare() -> None:
    with pytest.raises(SiteError, match=r"no prepare\(\)"):
        make("Mine", sites=frozenset({"embedding"}), embed=embed)


def test_a_concrete_hook_is_never_overridden_again() -> None:
    with pytest.raises(SiteError, match=r"Mine overrides embed\(\) of Learned"):
        make("Mine", phasor.Learned, embed=embed)


def test_a_subclass_without_hooks_is_welcome() -> None:
    """Fixing arguments needs no new hook."""
    mine = make("Mine", phasor.ALiBi)
    assert mine(4).sites == {"score"}


def test_hooks_of_undeclared_sites_change_nothing() -> None:
    encoding = phasor.NoPE()
    x = torch.randn(1, 3, 8)
    query, key = torch.randn(2, 1, 2, 3, 4)
    prepared = encoding.prepare(torch.arange(3))
    assert encoding.embed(x, prepared) is x
    assert encoding.rotate(query, key, prepared) == (query, key)
    assert encoding.score_mod(prepared) is None


def test_a_model_refuses_what_it_cannot_serve() -> None:
    with pytest.raises(SiteError, match=r"ALiBi needs site 'score', which Mine does not offer"):
        phasor.require_sites(phasor.ALiBi(4), {"embedding", "query_key"}, model="Mine")
    phasor.require_sites(phasor.ALiBi(4), {"score"}, model="Mine")


def test_compose_needs_the_sites_of_its_parts_and_no_others() -> None:
    both = phasor.Compose(phasor.Rotary(8), phasor.ALiBi(4))
    phasor.require_sites(both, {"query_key", "score"}, model="Mine")
    with pytest.raises(SiteError, match="'query_key', 'score'"):
        phasor.require_sites(both, {"embedding"}, model="Mine")
    assert phasor.Compose(phasor.NoPE()).sites == frozenset()


def test_a_paper_must_be_named() -> None:
    with pytest.raises(SiteError, match="must say where it was published"):
        type("Mine", (phasor.PositionEncoding,), {"sites": frozenset()})


def test_a_model_cannot_offer_a_site_that_does_not_exist() -> None:
    with pytest.raises(SiteError, match="Mine offers unknown site 'embeding'"):
        phasor.require_sites(phasor.NoPE(), {"embeding"}, model="Mine")


def test_compose_takes_encodings_one_by_one() -> None:
    with pytest.raises(TypeError, match=r"got list; pass them one by one"):
        phasor.Compose([phasor.NoPE()])


def test_compose_of_nothing() -> None:
    with pytest.raises(SiteError, match=r"NoPE\(\)"):
        phasor.Compose()


def test_errors_are_also_the_built_in_ones() -> None:
    assert issubclass(SiteError, TypeError)
    assert issubclass(phasor.errors.ArgumentError, ValueError)
    assert issubclass(phasor.errors.ArgumentTypeError, TypeError)
    assert issubclass(phasor.errors.PositionRangeError, IndexError)
    for error in vars(phasor.errors).values():
        if isinstance(error, type):
            assert issubclass(error, phasor.errors.PhasorError)


def test_a_composition_is_relative_and_keeps_norms_if_all_its_parts_do() -> None:
    rotary, xpos, logn = phasor.Rotary(8), phasor.XPos(8), phasor.LogN(8)
    for parts, relative, norms in (
        ((rotary, phasor.ALiBi(2)), True, True),
        ((rotary, xpos), True, False),
        ((logn, rotary), False, False),
    ):
        whole = phasor.Compose(*parts)
        assert (whole.is_relative, whole.keeps_norm) == (relative, norms)


def test_an_encoding_that_looks_at_nothing_has_no_look() -> None:
    with pytest.raises(SiteError, match=r"Mine has look\(\) but looks at nothing"):
        make(
            "Mine",
            sites=frozenset(),
            look=look,
        )


def test_an_encoding_that_looks_at_the_input_must_observe_it() -> None:
    with pytest.raises(SiteError, match=r"Mine looks at 'hidden' but has no observe\(\)"):
        make(
            "Mine",
            sites=frozenset(),
            looks_at=frozenset({"hidden"}),
            look=look,
        )
