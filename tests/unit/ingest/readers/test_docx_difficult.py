"""Three difficult files, as lawyers, accountants and engineers make them."""

from __future__ import annotations

import io
from pathlib import Path

from docx.document import Document

from tests.unit.ingest.readers import word
from tests.unit.ingest.readers.docx_readings import NAME, contract, text_of
from tests.unit.ingest.readers.readings import png, read


def test_a_contract_keeps_clause_numbers_changes_and_notes(tmp_path: Path) -> None:
    assert (
        text_of(tmp_path, contract)
        == """# SERVICE AGREEMENT

# Article I. Term

1.1 The term is twenty-four months[^1].

1.2 It ends:

- (a) on notice; or
- (b) on breach of 1.1.

# Article II. Fees

2.1 Fees are due monthly[^2]

| Service | Fee |
| --- | --- |
| Support\\|Basic | € 100<br>per month |
| Audit | € 5,000 |

Signed: ____________ Date: ____________

[^1]: As amended on 1 May.

[^2]: Subject to Annex B.
"""
    )


def annual_report(document: Document) -> None:
    """A Chinese annual report: numbered headings, merged table heads, pictures, a chart's caption."""
    word.with_list(
        document, 81, word.level(0, "chineseCounting", "第%1节"), word.level(1, "chineseCounting", "%2、")
    )
    document.add_paragraph("某某股份有限公司2025年年度报告", style="Title")
    word.numbered(document.add_heading("公司简介", 1), 81, 0)
    document.add_paragraph("公司成立于１９９８年，注册资本５亿元。")
    word.numbered(document.add_heading("主要财务指标", 1), 81, 0)
    word.numbered(document.add_heading("利润表", 2), 81, 1)
    table = document.add_table(rows=4, cols=4)
    table.cell(0, 0).merge(table.cell(1, 0)).text = "项目"
    table.cell(0, 1).merge(table.cell(0, 2)).text = "本期"
    table.cell(0, 3).merge(table.cell(1, 3)).text = "上期"
    for place, text in (
        ((1, 1), "金额"),
        ((1, 2), "占比"),
        ((2, 0), "营业收入"),
        ((2, 1), "1,234.56"),
        ((2, 2), "100%"),
        ((2, 3), "1,100.00"),
        ((3, 0), "其中：\n主营业务"),
        ((3, 1), "1,000.00"),
        ((3, 2), "81%"),
        ((3, 3), "—"),
    ):
        table.cell(*place).text = text
    document.add_paragraph("图1　收入构成", style="Caption")
    document.add_picture(io.BytesIO(png()))
    word.numbered(document.add_heading("现金流量", 2), 81, 1)
    document.add_paragraph("经营活动产生的现金流量净额为人民币３.２亿元。")


def test_a_chinese_annual_report_keeps_numbers_tables_and_pictures(tmp_path: Path) -> None:
    reading = read(tmp_path, word.made(annual_report), NAME)
    assert (
        reading.text
        == f"""# 某某股份有限公司2025年年度报告

# 第一节 公司简介

公司成立于１９９８年，注册资本５亿元。

# 第二节 主要财务指标

## 一、 利润表

| 项目 | 本期 |  | 上期 |
| --- | --- | --- | --- |
|  | 金额 | 占比 |  |
| 营业收入 | 1,234.56 | 100% | 1,100.00 |
| 其中：<br>主营业务 | 1,000.00 | 81% | — |

图1　收入构成

![](images/{reading.images[0].name})

## 二、 现金流量

经营活动产生的现金流量净额为人民币３.２亿元。
"""
    )


def manual(document: Document) -> None:
    """A manual: nested lists, text boxes, equations, code, a table in a table."""
    document.add_heading("Pump P-200", 1)
    word.add(document.add_paragraph("Read this first. "), word.text_box("WARNING", "Cut the power."))
    document.add_heading("Start", 2)
    for text, style in (
        ("Open valve A.", "List Number"),
        ("slowly", "List Bullet 2"),
        ("fully", "List Bullet 2"),
        ("Press start.", "List Number"),
    ):
        document.add_paragraph(text, style=style)
    document.add_heading("Flow", 2)
    word.add(document.add_paragraph("The flow is "), word.FRACTION)
    word.add(document.add_paragraph(), word.SUM)
    document.add_heading("Interface", 2)
    for line in ("pump --start", "  --rate=5 # l/min"):
        document.add_paragraph().add_run(line).font.name = "Consolas"
    table = document.add_table(1, 1)
    table.cell(0, 0).text = "Note: keep it dry."
    outer = document.add_table(2, 2)
    outer.cell(0, 0).text, outer.cell(0, 1).text, outer.cell(1, 0).text = "Part", "Sizes", "Seal"
    inner = outer.cell(1, 1).add_table(2, 2)
    for cell, text in zip(inner._cells, ("in", "mm", "1", "25.4"), strict=True):
        cell.text = text


def test_a_manual_keeps_lists_boxes_formulas_and_code(tmp_path: Path) -> None:
    assert (
        text_of(tmp_path, manual)
        == r"""# Pump P-200

Read this first.

WARNING

Cut the power.

## Start

1. Open valve A.
   - slowly
   - fully
2. Press start.

## Flow

The flow is $\frac{a + b}{c^{2}}$

$$\sum_{i = 1}^{n}i$$

## Interface

```
pump --start
  --rate=5 # l/min
```

Note: keep it dry.

| Part | Sizes |
| --- | --- |
| Seal | in \| mm<br>1 \| 25.4 |
"""
    )
