import pytest

from moongate.artifacts.differences import Difference, Statement, causes, compare, leaves, sentence

FIRST, SECOND, THIRD = "1" * 64, "2" * 64, "3" * 64


def statement(stage="sample", revision=1, settings=None, **inputs):
    return Statement(stage, revision, settings or {"steps": 3}, tuple(sorted(inputs.items())))


def none(digest):
    return None


@pytest.mark.parametrize(
    ("new", "said"),
    [
        (statement(base=FIRST), ""),
        (statement(revision=2, base=FIRST), "sample.revision is 2, was 1"),
        (statement(settings={"steps": 5}, base=FIRST), "sample.steps is 5, was 3"),
        (statement(settings={"steps": 3, "eta": 0.5}, base=FIRST), "sample.eta is new"),
        (statement(base=SECOND), "sample's input base is another"),
        (statement(base=FIRST, adapter=SECOND), "sample's input adapter is new"),
        (statement(), "sample's input base is gone"),
    ],
)
def test_everything_in_a_recipe_that_can_differ_is_put_in_words(new, said):
    assert sentence(compare(statement(base=FIRST), new)) == said


def test_a_nested_setting_is_named_by_its_path_and_the_stage_is_not_said_twice():
    old, new = ({"train": {"steps": steps}, "rows": [1, steps]} for steps in (4, 8))
    differences = compare(statement("train", settings=old), statement("train", settings=new))
    assert sentence(differences) == "train.steps is 8, was 4; train.rows.1 is 8, was 4"


def test_an_input_that_is_an_artifact_is_followed_to_what_made_it_another():
    known = {
        FIRST: statement("train", settings={"train": {"steps": 4}}),
        SECOND: statement("train", settings={"train": {"steps": 8}}),
    }
    old, new = statement(adapter=FIRST), statement(adapter=SECOND)
    assert causes(old, new, known.get) == (Difference("train", "setting", "train.steps", 4, 8),)
    assert causes(old, new, none) == (Difference("sample", "input", "adapter", FIRST, SECOND),)


def test_a_cause_that_is_met_on_two_ways_is_named_once():
    known = {FIRST: statement("train", picture=FIRST), SECOND: statement("train", picture=THIRD)}
    old, new = statement(a=FIRST, b=FIRST), statement(a=SECOND, b=SECOND)
    assert causes(old, new, known.get) == (Difference("train", "input", "picture", FIRST, THIRD),)


def test_of_many_differences_a_few_are_named_and_the_rest_counted():
    old, new = ({str(number): value for number in range(5)} for value in (0, 1))
    line = sentence(compare(statement(settings=old), statement(settings=new)))
    assert line.endswith("sample.2 is 1, was 0; and 2 more")


def test_empty_lists_are_values_too():
    assert dict(leaves({"a": [], "b": {"c": [1]}})) == {"a": [], "b.c.0": 1}
