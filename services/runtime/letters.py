"""How likely characters are in the languages that old encodings were made for, in bits."""

from __future__ import annotations

import re
from collections.abc import Iterable

OFTEN_SIMPLIFIED = (
    "的一是不了在人有我他这中大来上个国到说们为子和你地出道也时年得就那要下以生会自着去之过家学对可里后小么心多天"
    "而能好都然没日于起还发成事只作当想看文无开手十用主行方又如前所本见经头面公同三已老从动两长知民样现分将外但身些"
    "与高意进把法此实回二理美点月明其种声全工己话儿者向情部正名定女问力机给等几很业最间新什打便位因重被走电四第门相"
    "次东政海口使教西再平真听世气信北少关并内加化由却代军产入先山五太水万市眼体别处总才场师书比住员九笑性通目华报立"
    "马命张活难神数件安表原车白应路期叫死常提感金何更反合放做系计或司利受光王果亲界及今京务制解各任至清物台象记边共"
    "风战干接它许八特觉望直服毛林题建南度统色字请交爱让认算论百吃义科怎元社术结六功指思非流每青管夫连远资队跟带花快"
    "条院变联言权往展该领传近留红治决周保达办运武半候七必城父强步完革深区即求品士转量空甚众技轻程告江语英基派满式李"
    "息写呢识极令黄德收脸钱党倒未持取设始版双历越史商千片容研像找友孩站广改议形委早房音火际则首单据导影失拿网香似斯"
    "专石若兵弟谁校读志飞观争究包组造落视济喜离虽坏报投退货款修客户质保价格"
)
OFTEN_TRADITIONAL = (
    "的一是不了在人有我他這中大來上個國到說們為子和你地出道也時年得就那要下以生會自著去之過家學對可裡裏後小麼心多天"
    "而能好都然沒日於起還發成事只作當想看文無開手十用主行方又如前所本見經頭面公同三已老從動兩長知民樣現分將外但身些"
    "與高意進把法此實回二理美點月明其種聲全工己話兒者向情部正名定女問力機給等幾很業最間新什打便位因重被走電四第門相"
    "次東政海口使教西再平真聽世氣信北少關並內加化由卻代軍產入先山五太水萬市眼體別處總才場師書比住員九笑性通目華報立"
    "馬命張活難神數件安表原車白應路期叫死常提感金何更反合放做系計或司利受光王果親界及今京務制解各任至清物台象記邊共"
    "風戰干接它許八特覺望直服毛林題建南度統色字請交愛讓認算論百吃義科怎元社術結六功指思非流每青管夫連遠資隊跟帶花快"
    "條院變聯言權往展該領傳近留紅治決周保達辦運武半候七必城父強步完革深區即求品士轉量空甚眾技輕程告江語英基派滿式李"
    "息寫呢識極令黃德收臉錢黨倒未持取設始版雙歷越史商千片容研像找友孩站廣改議形委早房音火際則首單據導影失拿網香似斯"
    "專石若兵弟誰校讀志飛觀爭究包組造落視濟喜離雖壞臺灣退貨款修客戶質保價格"
)
OFTEN_JAPANESE = (
    "日一人年大十二本中長出三時行見月分後前生間上東四今金九入学高子外国会社事者合地新部手所業定場方発要用理対法性回体成"
    "表作関物動当品返保証"
)
OFTEN_KOREAN = (
    "이다에의는로하을가고지서한은기으년대사시를리도인스일있자어그들수제부과해정아보원소나전조라장만주상연공개국성학"
    "해세구중세것비위문동되여경면방회안유관적습니었물할했때때문영화재산현진선민간과발실건게트생용계요신및무반후내"
    "단결경입치모적품금환불업체명등통권남각점드오르미당분오교우마까더차강호와터속날데저며심외야출표직래"
)
ALPHABETS = {
    "russian": ("оеаинтсрвлкмдпуя", "ыьгзбчйхжшюцщэфъё"),
    "greek": ("ατοιενρσκηπςυμλίόάγέδήωχ", "θύζφβξψώϊΰϋΐ"),
    "turkish": ("ıüşğçö", "âîûİ"),
    "hebrew": ("יוהלרבתמאשנעםדקחפ", "סכגטצןזךףץ"),
    "arabic": ("اليمونرتبةعدسفهكقأحج", "شطصىخإضذزثظغآءئؤ،؟ـ"),
    "thai": ("านรอกเงมยลวดทสตะปบคห่้ัีิ", "แจพชขใไโผฟถซศษณธภญฉฝฐฎฏฑฒฌฆฬฮๆฯุูึืำ็์๊๋"),
}
"""Letters of an alphabet: the ones that occur often, and the others."""
OFTEN_WESTERN = "éèêàâçùûôîïëüöäßñóíáúåøæ¿¡’–—“”„«»°§€"
WESTERN = "ÉÈÊÀÂÇÙÔÎÄÖÜÑÓÍÁÚÅØÆãõìòœŒÃÕ…•·®©™²³½¼±×µ£ªº‘‚›‹¶\u00a0"
OFTEN_CENTRAL = "áéíóúýäöüąćęłńóśźżčďěňřšťůžőűăâîșțşţđ’–—“”„«»"
CENTRAL = "ÁÉÍÓÚÝÄÖÜĄĆĘŁŃŚŹŻČĎĚŇŘŠŤŮŽŐŰĂÂÎŞŢĐ…•·°§€\u00a0"
PUNCTUATION = "，。、；：？！“”‘’《》【】（）「」『』〈〉…—·～\u3000％"
FULL_WIDTH = "".join(chr(code) for code in range(0xFF01, 0xFF5F))
HIRAGANA = "".join(chr(code) for code in range(0x3041, 0x3097))
KATAKANA = "".join(chr(code) for code in range(0x30A1, 0x30FD))
HALF_KATAKANA = "".join(chr(code) for code in range(0xFF61, 0xFFA0))
IDEOGRAPHS = "".join(chr(code) for code in range(0x4E00, 0x9FA6))
CONTROL = re.compile("[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f\x7f-\x84\x86-\x9f\ufffd]")

ANY = "any"
"""All languages at once: what UTF-16 may hold."""
NO_TEXT = frozenset(map(chr, [*range(9), 11, *range(14, 27), *range(28, 32), 127]))
"""Control characters of ASCII that texts do not have; form feeds and escapes they have."""
IMPLAUSIBLE_BITS = 40.0
OTHER_BITS = 24.0
NEVER = re.compile(r"(?!)")
LETTER = "[A-Za-z]"
WIDE_LETTER = "[\u3041-\u3096\u4e00-\u9fff\uac00-\ud7a3\uff66-\uff9f]"
BESIDE_ASCII = re.compile(f"(?<={LETTER}){WIDE_LETTER}(?={LETTER})")
"""One character of the East between two letters of the West."""
BEYOND_TWICE = re.compile(
    "(?<=[\xa1-\u02ff])[\xa1-\u02ff]|(?<=[a-z])[À-ÖØ-Þ]|(?<=[a-z])[\xa1-\xbf](?=[a-z])|[ß-öø-ÿżźńłęąćśšžťő](?=[A-Z])"
)
"""Accented letters seldom follow one another, capitals no small letter, and no sign stands within a word."""
OTHER_LETTER = "[\u0370-\u06ff\u0e00-\u0e5b№]"
TWO_ALPHABETS = re.compile(f"(?<={LETTER}){OTHER_LETTER}|(?<={OTHER_LETTER}){LETTER}|(?<=[а-яёά-ώ])[А-ЯЁΆ-Ϋ]")
MISPLACED_KANA = re.compile("(?<![ぁ-ゖァ-ヺー])[ゃゅょャュョ]|(?<=[ぁ-ゖ])ン")
"""A small `yu` needs a syllable before it, and the two syllabaries do not share a word."""
CLASHES = {
    "simplified": (8.0, BESIDE_ASCII),
    "traditional": (8.0, BESIDE_ASCII),
    "japanese": (8.0, re.compile(f"{BESIDE_ASCII.pattern}|{MISPLACED_KANA.pattern}")),
    "korean": (8.0, re.compile(f"{BESIDE_ASCII.pattern}|(?<=[가-힣])[一-鿿]|(?<=[一-鿿])[가-힣]")),
    "western": (8.0, BEYOND_TWICE),
    "central": (8.0, BEYOND_TWICE),
    "turkish": (8.0, BEYOND_TWICE),
    "russian": (16.0, TWO_ALPHABETS),
    "greek": (16.0, TWO_ALPHABETS),
    "hebrew": (16.0, TWO_ALPHABETS),
    "arabic": (16.0, TWO_ALPHABETS),
    "thai": (16.0, TWO_ALPHABETS),
    ANY: (0.0, NEVER),
}
"""For each language, what its neighbours seldom are, and how many bits that costs."""


def block(codec: str, rows: Iterable[int], *cells: range) -> str:
    """The characters of some rows of a two-byte set."""
    return "".join(
        bytes((row, cell)).decode(codec, "ignore") for row in rows for part in cells for cell in part
    )


HIGH = range(0xA1, 0xFF)
LOW = range(0x40, 0x7F)


TIERS: dict[str, list[tuple[float, str]]] = {
    "simplified": [
        (22, IDEOGRAPHS),
        (16, HIRAGANA + KATAKANA + block("gb2312", range(0xA2, 0xAA), HIGH)),
        (14, FULL_WIDTH),
        (18, block("gb2312", range(0xD8, 0xF8), HIGH)),
        (13, block("gb2312", range(0xB0, 0xD8), HIGH)),
        (7, PUNCTUATION),
        (9.3, OFTEN_SIMPLIFIED),
    ],
    "traditional": [
        (22, IDEOGRAPHS),
        (16, HIRAGANA + KATAKANA),
        (14, FULL_WIDTH),
        (18, block("big5", range(0xC9, 0xFA), LOW, HIGH)),
        (13, block("big5", range(0xA4, 0xC7), LOW, HIGH)),
        (7, PUNCTUATION),
        (9.3, OFTEN_TRADITIONAL),
    ],
    "japanese": [
        (22, IDEOGRAPHS),
        (15, HALF_KATAKANA),
        (14, FULL_WIDTH),
        (18, block("euc_jp", range(0xD0, 0xF5), HIGH)),
        (13, block("euc_jp", range(0xB0, 0xD0), HIGH)),
        (8, KATAKANA + "ー・"),
        (9.3, OFTEN_JAPANESE),
        (7, PUNCTUATION),
        (6.5, HIRAGANA),
    ],
    "korean": [
        (22, IDEOGRAPHS),
        (18, "".join(chr(code) for code in range(0xAC00, 0xD7A4))),
        (14, FULL_WIDTH),
        (11.5, block("euc_kr", range(0xB0, 0xC9), HIGH)),
        (9, PUNCTUATION),
        (7.5, OFTEN_KOREAN),
    ],
    "western": [(10, WESTERN), (7, OFTEN_WESTERN), (8, "ÄÖÜÉ")],
    "central": [(10, CENTRAL), (7, OFTEN_CENTRAL)],
    **{
        language: [
            (10, others.upper() + often.upper() + "«»–—’№…“”„\u00a0"),
            (6.5, others),
            (4.5, often),
        ]
        for language, (often, others) in ALPHABETS.items()
    },
}
"""Characters of each language by bits, the likeliest last."""


def bits_of(language: str) -> dict[str, float]:
    """Bits of the characters of a language; all others have `OTHER_BITS`."""
    bits = {chr(code): IMPLAUSIBLE_BITS for code in [*range(0x20), *range(0x7F, 0xA0)]}
    bits |= {chr(code): 8.0 for code in range(0x20, 0x7F)}
    bits |= dict.fromkeys("etaoinsrhldcumfpgwybvkxjqz0123456789,.-()\"'", 5.0)
    bits |= dict.fromkeys(" \n\r\t", 4.0)
    bits |= dict.fromkeys(map(chr, range(0xE000, 0xF900)), IMPLAUSIBLE_BITS)
    bits["\ufffd"] = IMPLAUSIBLE_BITS
    for cost, characters in TIERS[language]:
        bits |= dict.fromkeys(characters, cost)
    return bits


def least(several: Iterable[dict[str, float]]) -> dict[str, float]:
    """For each character the least of several costs."""
    found: dict[str, float] = {}
    for bits in several:
        for character, cost in bits.items():
            found[character] = min(cost, found.get(character, cost))
    return found


# Made when the module is loaded: each document has a process of its own, forked after that.
BITS = {language: bits_of(language) for language in CLASHES if language != ANY}
BITS[ANY] = least(BITS.values())
