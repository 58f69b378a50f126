-- By what copies of kept questions are found; see services/generation/gates/copies.py.
CREATE TABLE question_marks (
    question_id uuid     PRIMARY KEY REFERENCES questions ON DELETE CASCADE,
    marks       bigint[] NOT NULL,
    bands       bigint[] NOT NULL
);
-- Each is looked for by the next questions: nothing is put off.
CREATE INDEX question_marks_by_mark ON question_marks USING gin (marks) WITH (fastupdate = off);

-- Questions by their bands. No reference, whose checks would cost more than all else: who deletes questions deletes these.
CREATE TABLE question_bands (
    band        bigint NOT NULL,
    question_id uuid   NOT NULL,
    PRIMARY KEY (band, question_id)
);

-- What questions say that were stored so far, whatever became of them; who adds the same again locks its row.
CREATE TABLE question_wordings (
    project_id uuid   NOT NULL,
    key        bigint NOT NULL,
    PRIMARY KEY (project_id, key)
);

-- The gate that this was may be off.
DROP INDEX questions_once;
CREATE INDEX questions_by_wording ON questions (generation_id, text_key);

ALTER TABLE questions
    ADD COLUMN judgement     jsonb,
    ADD COLUMN judge_call_id uuid REFERENCES llm_calls ON DELETE CASCADE,
    ADD CHECK ((judgement IS NULL) = (judge_call_id IS NULL)),
    ADD CHECK (state <> 'judging' OR (answer IS NOT NULL AND judgement IS NULL));
CREATE INDEX questions_by_judge_call ON questions (judge_call_id) WHERE judge_call_id IS NOT NULL;

DROP VIEW question_view;
CREATE VIEW question_view AS
SELECT questions.*,
       to_jsonb(question_call) AS call,
       to_jsonb(answer_call) AS answer_call,
       to_jsonb(judge_call) AS judge_call
FROM questions
JOIN llm_calls AS question_call ON question_call.id = questions.call_id
LEFT JOIN llm_calls AS answer_call ON answer_call.id = questions.answer_call_id
LEFT JOIN llm_calls AS judge_call ON judge_call.id = questions.judge_call_id;

-- Questions that were asked for and never came, of calls that brought fewer than they were to.
CREATE TABLE missing_questions (
    call_id       uuid    NOT NULL REFERENCES llm_calls ON DELETE CASCADE,
    reason        text    NOT NULL,
    generation_id uuid    NOT NULL REFERENCES generations ON DELETE CASCADE,
    count         integer NOT NULL CHECK (count > 0),
    PRIMARY KEY (call_id, reason)
);
CREATE INDEX missing_questions_by_generation ON missing_questions (generation_id);

-- Embeddings of questions, where a generation compares them by meaning.
CREATE TABLE question_embeddings (
    question_id uuid     PRIMARY KEY REFERENCES questions ON DELETE CASCADE,
    project_id  uuid     NOT NULL,
    space       text     NOT NULL, -- the model and its dimensions
    key         bytea    NOT NULL, -- services/generation/gates/embedding.py
    signs       bit(256) NOT NULL, -- services/generation/gates/meanings.py
    vector      bytea    NOT NULL
);
CREATE INDEX question_embeddings_by_key ON question_embeddings (project_id, key);
