-- Validated answers of language models, so that nothing is paid twice.
CREATE TABLE llm_answers (
    project_id  uuid        NOT NULL,
    key         bytea       NOT NULL, -- services/generation/calls/answers.py
    answer      jsonb       NOT NULL,
    create_time timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (project_id, key)
);
