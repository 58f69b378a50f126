/* Paragraphs of Markdown that an underline makes a heading. */
#include "scan.h"

#define LONGEST 32
#define CODE_COLUMNS 4
#define NO_LINE (-1)
/* From here on lines may belong to a list or a quotation. */
#define LAZY (-2)

/* Whether a line starts with one to six `#` and a gap. */
int is_title(const Text *text, Py_ssize_t first) {
    Py_ssize_t behind = skip_sign(text, first, '#', 7);
    return behind > first && behind <= first + 6 && is_gap(code_at(text, behind));
}

static int is_quoted_title(const Text *text, Py_ssize_t first) {
    Py_ssize_t at = first + 1;
    while (at < first + 5 && is_blank(code_at(text, at))) {
        at++;
    }
    return code_at(text, at) == '\n' || is_title(text, at);
}

/* Whether a line is an item that may follow the text of a paragraph. */
static int interrupts(const Text *text, Py_ssize_t first) {
    Py_UCS4 head = code_at(text, first), next = code_at(text, first + 1);
    int numbered = head == '1' && (next == '.' || next == ')');
    if (!numbered && head != '-' && head != '*' && head != '+') {
        return 0;
    }
    Py_ssize_t behind = first + 1 + numbered, at = skip_blanks(text, behind);
    return at > behind && code_at(text, at) != '\n';
}

static int is_any_item(const Text *text, Py_ssize_t first) {
    Py_ssize_t behind = behind_marker(text, first);
    return behind >= 0 && is_gap(code_at(text, behind));
}

/* First line of the paragraph that goes on with a line, given the one before; NO_LINE for no paragraph. */
static Py_ssize_t opener(const Lines *lines, Py_ssize_t line, Py_ssize_t first) {
    const Text *text = &lines->text;
    Py_ssize_t place = lines->firsts[line];
    if (lines->indents[line] >= CODE_COLUMNS) {
        return first;
    }
    if (is_title(text, place)) {
        return NO_LINE;
    }
    if (code_at(text, place) == '>') {
        return is_quoted_title(text, place) ? NO_LINE : LAZY;
    }
    if (is_rule(text, place)) {
        return NO_LINE;
    }
    if (first == LAZY) {
        return first;
    }
    if (first >= 0 ? interrupts(text, place) : is_any_item(text, place)) {
        return LAZY;
    }
    return first < 0 ? line : first;
}

Py_ssize_t open_paragraph(const Blocks *blocks, Py_ssize_t line) {
    const Lines *lines = blocks->lines;
    Py_ssize_t top = line, first = NO_LINE;
    while (top > 0 && !lines->opens[top] && lines->starts[top - 1] >= blocks->free) {
        top--;
        if (line - top > LONGEST) {
            return LAZY;
        }
    }
    for (; top < line; top++) {
        first = opener(lines, top, first);
    }
    return first;
}

/* Whether a line defines a link, and so is no text. */
static int is_definition(const Text *text, Py_ssize_t first) {
    Py_ssize_t at = first + 1;
    Py_UCS4 code = code_at(text, at);
    if (code_at(text, first) != '[') {
        return 0;
    }
    while (code != '[' && code != ']' && code != '\n') {
        code = code_at(text, ++at);
    }
    if (code != ']' || at == first + 1 || code_at(text, at + 1) != ':') {
        return 0;
    }
    return !Py_UNICODE_ISSPACE(code_at(text, skip_blanks(text, at + 2)));
}

Py_ssize_t paragraph_before(const Blocks *blocks, Py_ssize_t line) {
    const Lines *lines = blocks->lines;
    Py_ssize_t first = open_paragraph(blocks, line), text = first;
    if (first < 0) {
        return NO_LINE;
    }
    while (text < line && is_definition(&lines->text, lines->firsts[text])) {
        text++;
    }
    return text == line || (lines->indents[first] && column_of(blocks, first)) ? NO_LINE : first;
}
