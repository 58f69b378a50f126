"""The one part that is compiled; without a C compiler it is left out, and numpy does its work."""

from setuptools import Extension, setup

setup(
    ext_modules=[
        Extension("services.ingest.outline.scan", ["services/ingest/outline/scan.c"], optional=True),
    ]
)
