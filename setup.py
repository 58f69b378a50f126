"""The one part that is compiled; without a C compiler it is left out, and Python and numpy do its work."""

from pathlib import Path

from setuptools import Extension, setup

SOURCES = Path("services/ingest/outline/c")

setup(
    ext_modules=[
        Extension(
            "services.ingest.outline.scan",
            sorted(map(str, SOURCES.glob("*.c"))),
            depends=sorted(map(str, SOURCES.glob("*.h"))),
            optional=True,
        ),
    ]
)
