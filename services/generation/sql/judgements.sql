-- name: set_judgement
-- With the call, as `call` of calls.sql.
UPDATE questions
SET state = $20, rejection = $21, judgement = $22, judge_call_id = $1
WHERE id = $23 AND state = 'judging'

-- name: set_candidate_judgement
-- With the call, as `call` of calls.sql.
UPDATE candidates
SET state = $20, rejection = $21, judgement = $22, judge_call_id = $1
WHERE id = $23 AND state = 'judging'
