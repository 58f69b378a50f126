-- A deletion looks for the uploads that led to its documents, the sweep for the old ones.
CREATE INDEX uploads_by_document ON uploads (document_id) WHERE document_id IS NOT NULL;
CREATE INDEX uploads_by_time ON uploads (create_time);
