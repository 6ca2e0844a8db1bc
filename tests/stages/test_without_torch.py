import subprocess
import sys

# A run that finds everything in the store must start in no time; torch alone takes seconds to import.
SCRIPT = """
import sys
from pathlib import Path
from moongate.artifacts.refs import ImageSetRef, LatentSetRef
from moongate.config import RunConfig
from moongate.models.source import BaseSource
from moongate.prompts import class_prompt
from moongate.stages import cache, ingest, invert, prior, sample

run, base = RunConfig(), BaseSource(Path(sys.argv[1]), "tiny")
images, latents = ImageSetRef("a" * 64), LatentSetRef("b" * 64)
pictures = Path(run.ingest.evaluation_folder)
ingest.recipe(run.ingest, ingest.IngestInputs(pictures, base, run.subject)).digest
prior.recipe(run.prior, prior.PriorInputs(base, "float32", "a duck", 0)).digest
cache.recipe(run.cache, cache.CacheInputs(images, base, run.subject)).digest
invert.recipe(run.invert, invert.InvertInputs(base, "float32", images, latents)).digest
prompts = (class_prompt(run.subject),)
sample.recipe(run.sample, sample.SampleInputs(base, "float32", run.subject, 0, prompts)).digest
print([name for name in ("torch", "diffusers", "transformers", "safetensors") if name in sys.modules])
"""


def test_addresses_are_known_without_importing_torch(tiny_sd1):
    command = [sys.executable, "-c", SCRIPT, str(tiny_sd1)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (result.stdout.strip(), result.stderr) == ("[]", "")
