from services.feedback.archive import CampaignRecord
from services.feedback.judgements import FIRST_TIME, REPEAT
from services.feedback.recipe import CampaignSpec
from services.feedback.sealing import SEALED, Seal

OCCASIONS = [(f"i{number}", occasion) for number in (0, 1, 70_000) for occasion in (FIRST_TIME, REPEAT)]


def test_what_is_closed_is_opened_by_the_same_key_for_the_same_rater_alone() -> None:
    sealed = [Seal("key").close("anna", occasion) for occasion in OCCASIONS]
    assert [Seal("key").open("anna", one) for one in sealed] == OCCASIONS
    for seal, rater in ((Seal("key"), "ann"), (Seal("key"), ""), (Seal("other key"), "anna")):
        assert [seal.open(rater, one) for one in sealed] == [None] * len(OCCASIONS)


def test_an_id_says_nothing_of_its_item_and_its_occasion() -> None:
    """Those of an item and of its repeat are no more alike than any others."""
    sealed = [Seal("key").close(rater, occasion) for occasion in OCCASIONS for rater in ("anna", "ben")]
    assert all(map(SEALED.fullmatch, sealed))
    same = [sum(a == b for a, b in zip(one, other)) for one in sealed for other in sealed if one != other]
    assert max(same) < 8, "of 28 characters, by chance a half of one"


def test_a_campaigns_key_is_in_no_text_of_it() -> None:
    record = CampaignRecord(CampaignSpec("tone"), 0.0, "a secret", "digest")
    assert "a secret" not in repr(record)
