-- The facts of other chunks to which those of a chunk are linked, where a pilot is to ask for both: start of the fact, chunk, start, end.
ALTER TABLE generation_chunks ADD COLUMN links jsonb;
