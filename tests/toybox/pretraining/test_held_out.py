from moongate.progress import Silent
from moongate.toybox.captions import full_caption
from moongate.toybox.pretraining.held_out import held_out_prompts
from moongate.toybox.worlds import sample_spec


def test_no_training_picture_has_the_caption_of_a_held_out_prompt():
    pictures = 3_000
    trained = {full_caption(sample_spec(seed)) for seed in range(pictures)}
    found = held_out_prompts(100, pictures, Silent())
    assert len(found) == 100
    assert not trained & {full_caption(spec) for spec in found}
