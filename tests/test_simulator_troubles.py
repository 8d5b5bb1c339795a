import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.simulator.troubles import Kind, Trouble, parse_trouble


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("hang", Trouble(Kind.HANG), id="kind alone"),
        pytest.param("hang@5s+20s", Trouble(Kind.HANG, 5, 20), id="start and duration"),
        pytest.param("revoked_key#1@3s", Trouble(Kind.REVOKED_KEY, 3, key=1), id="key"),
        pytest.param("overloaded@10s+30s*0.5", Trouble(Kind.OVERLOADED, 10, 30, 0.5), id="share"),
        pytest.param("down+1m30s", Trouble(Kind.DOWN, 0, 90), id="duration alone"),
        pytest.param(" cut*.25 ", Trouble(Kind.CUT, share=0.25), id="share alone"),
    ],
)
def test_people_write_troubles(text: str, expected: Trouble) -> None:
    assert parse_trouble(text) == expected


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        pytest.param("hung@5s", "no kind of trouble; the kinds are server_error", id="kind"),
        pytest.param("hang@soon", "'soon' in 'hang@soon' is no time; expected a duration", id="start"),
        pytest.param("hang@1s+", "no trouble", id="empty duration"),
        pytest.param("hang*2", "'2' in 'hang*2' is no share", id="share above 1"),
        pytest.param("hang*0.0", "is no share", id="share of nothing"),
        pytest.param("revoked_key#0", "the first key is #1", id="key zero"),
        pytest.param("", "'' is no trouble", id="empty"),
    ],
)
def test_mistakes_are_named(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=r".") as error:
        parse_trouble(text)
    assert complaint in str(error.value)


tenths = st.integers(0, 100_000).map(lambda n: n / 10)


@given(
    st.builds(
        Trouble,
        st.sampled_from(Kind),
        tenths,
        st.none() | tenths,
        st.integers(1, 100).map(lambda n: n / 100),
        st.none() | st.integers(1, 99),
    )
)
def test_what_is_written_is_read_again(trouble: Trouble) -> None:
    assert parse_trouble(str(trouble)) == trouble


@given(st.text(max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        trouble = parse_trouble(text)
    except ValueError:
        return
    assert trouble.kind in text


def test_a_trouble_reigns_from_its_start_until_its_end() -> None:
    trouble = Trouble(Kind.HANG, 5, 20)
    assert [trouble.is_active(now) for now in (4.9, 5, 24.9, 25)] == [False, True, True, False]
