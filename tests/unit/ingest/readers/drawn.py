"""Parts of drawings that no library writes."""

from __future__ import annotations

A = "http://schemas.openxmlformats.org/drawingml/2006/main"
CX = "http://schemas.microsoft.com/office/drawing/2014/chartex"
MC = "http://schemas.openxmlformats.org/markup-compatibility/2006"
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
CHARTEX_RELATION = "http://schemas.microsoft.com/office/2014/relationships/chartEx"
DIAGRAM = "http://schemas.openxmlformats.org/drawingml/2006/diagram"


def points(*texts: str) -> str:
    inner = "".join(f'<cx:pt idx="{at}">{text}</cx:pt>' for at, text in enumerate(texts) if text)
    return f'<cx:lvl ptCount="{len(texts)}">{inner}</cx:lvl>'


WATERFALL = (
    f'<cx:chartSpace xmlns:cx="{CX}" xmlns:a="{A}"><cx:chartData><cx:data id="0"><cx:strDim type="cat">'
    f"{points('opening', 'sales', 'closing')}{points('2024', '', '2025')}</cx:strDim>"
    f'<cx:numDim type="val">{points("100", "20.5", "120.5")}</cx:numDim></cx:data></cx:chartData><cx:chart>'
    "<cx:title><cx:tx><cx:txData><cx:v>Cash</cx:v></cx:txData></cx:tx></cx:title><cx:plotArea>"
    '<cx:plotAreaRegion><cx:series layoutId="waterfall"><cx:tx><cx:txData><cx:v>EUR m</cx:v></cx:txData></cx:tx>'
    '<cx:dataId val="0"/></cx:series></cx:plotAreaRegion></cx:plotArea></cx:chart></cx:chartSpace>'
)
WATERFALL_TEXT = (
    "Chart: Cash\n\n|  | EUR m |\n| --- | --- |\n| 2024 opening | 100 |\n| 2024 sales | 20.5 |\n"
    "| 2025 closing | 120.5 |\n"
)
DIAGRAM_MODEL = (
    f'<d:dataModel xmlns:d="{DIAGRAM}" xmlns:a="{A}"><d:ptLst><d:pt modelId="1"><d:t><a:p><a:r><a:t>Boss</a:t></a:r></a:p>'
    '</d:t></d:pt><d:pt modelId="2"><d:t><a:p><a:r><a:t>Clerk</a:t></a:r></a:p></d:t></d:pt></d:ptLst><d:cxnLst>'
    '<d:cxn srcId="1" destId="2" srcOrd="0"/></d:cxnLst></d:dataModel>'
)


def chart_element(identity: str) -> str:
    """What refers to a chart of a newer kind."""
    return (
        f'<a:graphic xmlns:a="{A}"><a:graphicData uri="{CX}">'
        f'<cx:chart xmlns:cx="{CX}" xmlns:r="{RELATIONS}" r:id="{identity}"/></a:graphicData></a:graphic>'
    )


def diagram_element(identity: str) -> str:
    """What refers to a diagram."""
    return (
        f'<a:graphic xmlns:a="{A}"><a:graphicData uri="{DIAGRAM}">'
        f'<d:relIds xmlns:d="{DIAGRAM}" xmlns:r="{RELATIONS}" r:dm="{identity}"/></a:graphicData></a:graphic>'
    )


def either(new: str, old: str) -> str:
    """A drawing in two forms, the older for programs that do not know the newer."""
    return (
        f'<mc:AlternateContent xmlns:mc="{MC}"><mc:Choice Requires="cx1">{new}</mc:Choice>'
        f"<mc:Fallback>{old}</mc:Fallback></mc:AlternateContent>"
    )
