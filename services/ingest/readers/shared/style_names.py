"""What names of styles and fonts say."""

from __future__ import annotations

import re

TITLE_NAMES = {"title", "标题", "標題"}
MONOSPACED = re.compile(
    r"courier|consolas|monaco|menlo|mono\b|monospace|lucida console|inconsolata|source code|cascadia|fira",
    re.IGNORECASE,
)
