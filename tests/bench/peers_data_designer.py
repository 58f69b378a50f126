"""Ask a model server with NeMo Data Designer: `BASE_URL CHUNKS.jsonl ROWS PARALLEL`.

Run by the Python of Data Designer's own environment. https://docs.nvidia.com/nemo/datadesigner, "Architecture &
Performance", says how to tune it: raise `max_parallel_requests` (the setting that is tried; the default is 4)
until that brings nothing, and `buffer_size` for servers of high capacity.
"""

from __future__ import annotations

import sys
from pathlib import Path

import data_designer.config as dd
from data_designer.interface import DataDesigner
from pydantic import BaseModel

BUFFER_SIZE = 2000
PROMPT = "Write three questions about this text, and their answers.\n\n<text>\n{{ text }}\n</text>"


class Pair(BaseModel):
    question: str
    answer: str


class Pairs(BaseModel):
    pairs: list[Pair]


RESPONSE_FORMAT = {
    "type": "json_schema",
    "json_schema": {"name": "pairs", "schema": Pairs.model_json_schema()},
}


def main(base_url: str, chunks: Path, rows: int, parallel: int) -> None:
    provider = dd.ModelProvider(name="mock", endpoint=base_url, provider_type="openai", api_key="none")
    model = dd.ModelConfig(
        alias="mock",
        model="mock-model",
        provider="mock",
        inference_parameters=dd.ChatCompletionInferenceParams(
            max_parallel_requests=parallel, extra_body={"response_format": RESPONSE_FORMAT}
        ),
    )
    builder = dd.DataDesignerConfigBuilder(model_configs=[model])
    builder.with_seed_dataset(dd.LocalFileSeedSource(path=str(chunks)))
    builder.add_column(
        dd.LLMStructuredColumnConfig(name="pairs", model_alias="mock", prompt=PROMPT, output_format=Pairs)
    )
    designer = DataDesigner(artifact_path=Path.cwd() / "artifacts", model_providers=[provider])
    designer.set_run_config(dd.RunConfig(buffer_size=BUFFER_SIZE, otel_metrics_port=None))
    designer.create(builder, num_records=rows)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
