CREATE TYPE review_verdict AS ENUM ('accept', 'edit', 'reject');

-- What reviewers say of examples; of each reviewer the last word. `examples.review_count` and `examples.review_state` follow from it.
CREATE TABLE reviews (
    id          uuid           PRIMARY KEY,
    project_id  uuid           NOT NULL,
    example_id  uuid           NOT NULL,
    reviewer    text           NOT NULL,
    verdict     review_verdict NOT NULL,
    rejection   jsonb,
    change_id   uuid,          -- the change of the example, where there was one
    create_time timestamptz    NOT NULL DEFAULT now(),
    UNIQUE (example_id, reviewer),
    CHECK ((rejection IS NOT NULL) = (verdict = 'reject'))
);
CREATE INDEX reviews_by_project ON reviews (project_id, id);

-- Who looks at which example now.
CREATE TABLE review_claims (
    example_id  uuid        NOT NULL,
    reviewer    text        NOT NULL,
    project_id  uuid        NOT NULL,
    expire_time timestamptz NOT NULL,
    PRIMARY KEY (example_id, reviewer)
);
CREATE INDEX review_claims_by_project ON review_claims (project_id, reviewer);
