-- The chunks that a generation covers, so that what all take can be told from those seen.
CREATE TABLE generation_chunks (
    generation_id uuid             NOT NULL REFERENCES generations ON DELETE CASCADE,
    chunk_id      uuid             NOT NULL,
    characters    integer          NOT NULL,
    items         integer          NOT NULL,                  -- `write_questions` items that it makes
    asked         boolean          NOT NULL,                  -- not one that a pilot leaves out
    draw          double precision NOT NULL DEFAULT random(), -- of many, those with the lowest are looked at
    PRIMARY KEY (generation_id, chunk_id)
);
CREATE INDEX generation_chunks_drawn ON generation_chunks (generation_id, draw) WHERE asked;
