import subprocess
import sys

MODULES = "boxes columns embedder fusion index keyword legs quantise searcher sidecar tokens".split()
HEAVY = ("torch", "transformers", "sentence_transformers", "huggingface_hub", "django", "celery", "channels")


def test_importing_the_search_engine_loads_neither_torch_nor_django():
    program = f"import sys, {', '.join('search.engine.' + name for name in MODULES)}\nprint(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert "search.engine.searcher" in loaded
    assert not set(HEAVY) & set(loaded)
