"""The parts that are compiled; without a C compiler, Python and numpy do their work."""

from pathlib import Path

from setuptools import Extension, setup

COMPILED = {
    "services.ingest.outline.scan": Path("services/ingest/outline/c"),
    "services.dataset.copies.loops": Path("services/dataset/copies/c"),
    "services.dataset.versions.blocks": Path("services/dataset/versions/c"),
}

setup(
    ext_modules=[
        Extension(
            name,
            sorted(map(str, sources.glob("*.c"))),
            depends=sorted(map(str, sources.glob("*.h"))),
            optional=True,
        )
        for name, sources in COMPILED.items()
    ]
)
