"""Nothing in the project unpickles, evaluates, starts a shell, or lets a model bring code of its own."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("moongate", "flows", "tasks", "benchmarks")
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "yaml", "torch.hub"}
CALLS = {
    *("torch.load", "torch.save", "torch.jit.load", "torch.package.PackageImporter"),
    *("eval", "exec", "compile", "__import__", "os.system", "os.popen", "os.execv"),
}
# Ways of the libraries to run what comes with a model, to read pickles, and to read commands as text.
FORBIDDEN_IF_TRUE = {"trust_remote_code", "allow_pickle", "shell"}
FORBIDDEN = {"custom_pipeline", "custom_revision"}


def dotted(node: ast.expr) -> str:
    """`a.b.c` of an expression made of names and attributes, with a question mark for anything else."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else "?"


def unsafe(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULES)
        elif isinstance(node, ast.ImportFrom):
            names = {f"{node.module}.{alias.name}" for alias in node.names} | {str(node.module)}
            yield from names & (MODULES | CALLS)
        elif isinstance(node, ast.Call):
            if (name := dotted(node.func)) in CALLS or name.startswith("torch.hub."):
                yield name
            for keyword in node.keywords:
                off = isinstance(keyword.value, ast.Constant) and keyword.value.value is False
                if keyword.arg in FORBIDDEN or (keyword.arg in FORBIDDEN_IF_TRUE and not off):
                    yield str(keyword.arg)
                if keyword.arg in {"use_safetensors", "safe_serialization", "weights_only"} and not (
                    isinstance(keyword.value, ast.Constant) and keyword.value.value is True
                ):
                    yield str(keyword.arg)
        elif isinstance(node, ast.Constant) and node.value in FORBIDDEN_IF_TRUE | FORBIDDEN:
            yield str(node.value)


def test_no_module_makes_an_unsafe_call() -> None:
    assert len(SOURCES) > 150
    found = {str(path.relative_to(ROOT)): list(unsafe(ast.parse(path.read_text()))) for path in SOURCES}
    assert {path: calls for path, calls in found.items() if calls} == {}


@pytest.mark.parametrize(
    "code",
    [
        "import pickle",
        "from yaml import load",
        "from torch import load",
        "import torch\ntorch.load(path, weights_only=True)",
        "torch.hub.load('owner/name', 'model')",
        "AutoModel.from_pretrained(x, trust_remote_code=flag)",
        "options = {'trust_remote_code': True}",
        "np.load(path, allow_pickle=True)",
        "DiffusionPipeline.from_pretrained(x, custom_pipeline='y')",
        "subprocess.run(command, shell=True)",
        "AutoencoderKL.from_pretrained(x, use_safetensors=False)",
        "eval(text)",
    ],
)
def test_the_check_sees_what_it_looks_for(code: str) -> None:
    assert list(unsafe(ast.parse(code)))


def test_and_takes_ordinary_code_for_what_it_is() -> None:
    ordinary = (
        "from safetensors.torch import load_file\nmodel.eval()\nre.compile('x')\n"
        "np.load(path, allow_pickle=False)"
    )
    assert not list(unsafe(ast.parse(ordinary)))
