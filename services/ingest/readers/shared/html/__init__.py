"""HTML to Markdown: for pages, and for what other formats become on the way."""
