-- Embeddings that other rooms asked for: what was paid once is not asked for again.
CREATE TABLE text_embeddings (
    project_id uuid  NOT NULL,
    key        bytea NOT NULL, -- services/generation/gates/embedding.py
    vector     bytea NOT NULL, -- of float16
    PRIMARY KEY (project_id, key)
);
