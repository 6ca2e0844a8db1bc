import pytest
from pydantic import ValidationError

from moongate.errors import InputError
from moongate.subject import SubjectConfig

CAPTIONED = SubjectConfig(class_noun="duck", identifier="sks", instance_prompt="a photo of {caption}")


def test_the_default_prompts_are_those_of_dreambooth():
    subject = SubjectConfig(class_noun="duck", identifier="sks")
    assert subject.instance_text("whatever it shows") == "a sks duck"
    assert subject.class_text() == "a duck"


@pytest.mark.parametrize(
    ("caption", "prompt"),
    [
        ("a duck on a table", "a photo of a sks duck on a table"),
        ("A Duck by another duck", "a photo of A sks Duck by another duck"),
        ("a duckling and a duck", "a photo of a duckling and a sks duck"),
    ],
)
def test_a_caption_gets_the_identifier_before_the_first_class_noun(caption, prompt):
    assert CAPTIONED.instance_text(caption) == prompt


def test_braces_in_a_caption_are_text():
    assert CAPTIONED.instance_text("a duck {class_noun}") == "a photo of a sks duck {class_noun}"


@pytest.mark.parametrize("caption", ["a mug", "a duckling", ""])
def test_a_caption_without_the_class_noun_is_refused(caption):
    with pytest.raises(InputError, match="does not mention the class noun 'duck'"):
        CAPTIONED.instance_text(caption)


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"identifier": "s k s"}, "not one word"),
        ({"name": "../x"}, "not one word"),
        ({"class_noun": " "}, "the class noun is empty"),
        ({"class_prompt": "a {identifier} duck"}, "the placeholders are {class_noun}"),
        ({"instance_prompt": "a {} duck"}, "the placeholders are"),
        ({"instance_prompt": "a {identifier duck"}, "expected '}'"),
    ],
)
def test_names_and_prompts_that_cannot_work_are_refused(values, complaint):
    with pytest.raises(ValidationError, match=complaint):
        SubjectConfig(**values)
