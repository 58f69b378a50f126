"""The generation room: chunks in; questions and answers with quotes out."""
