"""Ask a model server with synthetic-data-kit: `BASE_URL CHUNKS.jsonl ROWS BATCH_SIZE`.

Run by the Python of the kit's own environment. Its DOCS.md, "Configuration System", documents
`generation.batch_size`, 32 by default: the calls of a batch go out together, and the next batch waits for all of
them. Larger batches hardly help, as most of the time goes into a new client for every call. The pause between
batches (`api-endpoint.sleep_time`) is set to 0.
"""

from __future__ import annotations

import itertools
import json
import sys
from pathlib import Path

from synthetic_data_kit.generators.qa_generator import QAGenerator
from synthetic_data_kit.models.llm_client import LLMClient
from synthetic_data_kit.utils.config import load_config

NEVER_ENOUGH = 10**9


def main(base_url: str, chunks: Path, rows: int, batch_size: int) -> None:
    # Its splitter cuts between paragraphs: a paragraph for each chunk, of a size that takes no second one.
    texts = [json.loads(line)["text"] for line in chunks.read_text(encoding="utf-8").splitlines()]
    paragraphs = [text.replace("\n\n", "\n") for text in texts]
    config = load_config()
    config["llm"]["provider"] = "api-endpoint"
    config["api-endpoint"] |= {
        "api_base": base_url,
        "api_key": "none",
        "model": "mock-model",
        "sleep_time": 0,
    }
    config["generation"] |= {"batch_size": batch_size, "chunk_size": min(map(len, paragraphs)), "overlap": 0}
    path = Path("config.yaml")
    path.write_text(json.dumps(config), encoding="utf-8")
    document = "\n\n".join(itertools.islice(itertools.cycle(paragraphs), rows))
    generator = QAGenerator(LLMClient(config_path=path), config_path=path)
    generator.generate_qa_pairs(document, summary="", num_pairs=NEVER_ENOUGH)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
