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

-- name: reject_without_chunk
UPDATE questions SET state = 'rejected', rejection = $2 WHERE id = $1 AND state IN ('open', 'judging')

-- name: reject_unseen_candidate
UPDATE candidates SET state = 'rejected', rejection = $2 WHERE id = $1 AND state = 'judging'
