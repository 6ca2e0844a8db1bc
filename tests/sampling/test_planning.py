import pytest

from moongate.artifacts.inverted import InvertedPicture
from moongate.sampling.planning import swapped_prompt


@pytest.mark.parametrize(
    ("prompt", "extra", "template"),
    [
        ("a duck in the snow", "{}", "a {subject} in the snow"),
        ("A Duck on a duck", "{}", "A {subject} on a duck"),
        ("a red cup", '{"object": "cup"}', "a red {subject}"),
        ("a duck and a cup", '{"object": "cup"}', "a duck and a {subject}"),
        ("a duckling", "{}", "a duckling"),
    ],
)
def test_the_subject_takes_the_place_of_the_first_mention_of_the_object(prompt, extra, template):
    assert swapped_prompt(InvertedPicture("p1", prompt, extra), "duck").template == template


def test_what_is_known_of_the_picture_goes_along_and_the_object_becomes_the_class():
    extra = '{"object": "cup", "scene": "snow", "colour": null, "mask_file_name": "m.png", "size": 3}'
    row = swapped_prompt(InvertedPicture("p1", "a cup in the snow", extra), "duck")
    assert (row.prompt_id, row.kind, row.object, row.scene) == ("p1", "inversion", "duck", "snow")
    assert (row.colour, row.size) == (None, None)


def test_a_picture_that_is_not_swapped_keeps_its_object():
    row = swapped_prompt(InvertedPicture("p1", "a photo of the beach", '{"object": "cup"}'), "duck")
    assert (row.template, row.object) == ("a photo of the beach", "cup")
