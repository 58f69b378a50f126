-- Validated answers of language models, so that nothing is paid twice; and claims, so that nothing is asked twice at a time.
CREATE TABLE llm_answers (
    project_id  uuid        NOT NULL,
    key         bytea       NOT NULL, -- services/generation/calls/answers.py
    answer      jsonb,
    claimed_by  uuid,                 -- the item that asks for it now; gone when the answer is kept
    create_time timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (project_id, key),
    CHECK (answer IS NOT NULL OR claimed_by IS NOT NULL)
);

-- What calls in flight may cost at worst, of generations with a budget; bound to the item. What its next
-- delivery finds a killed worker has left: it may have been spent.
CREATE TABLE reservations (
    item_id       uuid             PRIMARY KEY,
    generation_id uuid             NOT NULL REFERENCES generations ON DELETE CASCADE,
    attempt       uuid             NOT NULL,               -- of one delivery
    in_batch      boolean          NOT NULL DEFAULT false, -- the call is in a batch, whose answer a later delivery gets
    tokens        bigint           NOT NULL,
    cost          double precision NOT NULL
);
CREATE INDEX reservations_by_generation ON reservations (generation_id);
