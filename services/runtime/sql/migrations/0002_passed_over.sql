-- Items that were skipped and say why, so that they are told of without a look at all items of a job.
CREATE INDEX job_items_passed_over ON job_items (job_id) WHERE state = 'skipped' AND failure IS NOT NULL;
