from __future__ import annotations

from lxml import etree

from services.ingest.readers.shared.charts import chart_text
from services.ingest.readers.shared.diagrams import diagram_text
from services.ingest.readers.shared.drawing_text import lines_in, words_in

SPACES = 'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main" xmlns:d="urn:d"'


def runs(*texts: str) -> str:
    return "".join(f"<a:r><a:t>{text}</a:t></a:r>" for text in texts)


def test_paragraphs_and_line_breaks_part_words_and_runs_do_not() -> None:
    body = f"<a:p>{runs('Reve', 'nue')}<a:br/>{runs('2023 ')}</a:p><a:p/><a:p>{runs('in EUR')}</a:p>"
    element = etree.fromstring(f"<d:txBody {SPACES}>{body}</d:txBody>")
    assert lines_in(element) == "Revenue\n2023\nin EUR"
    assert words_in(element) == "Revenue 2023 in EUR"


def test_the_title_of_a_chart_may_have_lines() -> None:
    title = f"<a:p>{runs('Revenue 2023')}</a:p><a:p>{runs('in million EUR')}</a:p>"
    chart = f"<d:chart><d:title><d:tx><d:rich>{title}</d:rich></d:tx></d:title></d:chart>"
    root = etree.fromstring(f"<d:chartSpace {SPACES}>{chart}</d:chartSpace>")
    assert chart_text(root) == "Chart: Revenue 2023 in million EUR"


def test_a_point_of_a_diagram_may_have_lines() -> None:
    point = f"<a:p>{runs('Order')}<a:br/>{runs('received')}</a:p>"
    points = f'<d:ptLst><d:pt modelId="1"><d:t>{point}</d:t></d:pt></d:ptLst>'
    root = etree.fromstring(f"<d:dataModel {SPACES}>{points}</d:dataModel>")
    assert diagram_text(root) == "- Order received"
