/* List items of Markdown, and which of them a line stands in. */
#include "scan.h"

#define MOST_DIGITS 9
#define DEEPEST 64
#define MOST_BLANKS 4

int is_item(const Text *text, Py_ssize_t first) {
    Py_UCS4 head = code_at(text, first);
    if (head == '-' || head == '*' || head == '+') {
        return is_gap(code_at(text, first + 1));
    }
    Py_ssize_t behind = first;
    while (behind < first + MOST_DIGITS && is_digit(code_at(text, behind))) {
        behind++;
    }
    Py_UCS4 mark = code_at(text, behind);
    return behind > first && (mark == '.' || mark == ')') && is_gap(code_at(text, behind + 1));
}

/* Behind the marker of an item, whose digits may be of any script; -1 without one. */
Py_ssize_t behind_marker(const Text *text, Py_ssize_t first) {
    Py_UCS4 head = code_at(text, first);
    if (head == '-' || head == '*' || head == '+') {
        return first + 1;
    }
    Py_ssize_t behind = first;
    while (behind < first + MOST_DIGITS && Py_UNICODE_ISDECIMAL(code_at(text, behind))) {
        behind++;
    }
    Py_UCS4 mark = code_at(text, behind);
    return behind > first && (mark == '.' || mark == ')') ? behind + 1 : -1;
}

/* Whether a line is a rule: `***`, `- - -`, `___`. */
int is_rule(const Text *text, Py_ssize_t first) {
    Py_UCS4 sign = code_at(text, first);
    if (sign != '*' && sign != '-' && sign != '_') {
        return 0;
    }
    Py_ssize_t at = first;
    int signs = 0;
    for (; code_at(text, at) == sign; at = skip_blanks(text, at + 1)) {
        signs += signs < 3;
    }
    return signs == 3 && code_at(text, at) == '\n';
}

/* Column at which the content of an item starts; more than four columns of blanks are one, and code. */
static Py_ssize_t content_column(const Lines *lines, Py_ssize_t item) {
    const Text *text = &lines->text;
    Py_ssize_t first = lines->firsts[item], at = behind_marker(text, first);
    Py_ssize_t marker = lines->indents[item] + (at < 0 ? 1 : at - first);
    int columns = 0;
    for (; columns <= MOST_BLANKS && is_blank(code_at(text, at)); at++) {
        columns += code_at(text, at) == '\t' ? MOST_BLANKS - columns % MOST_BLANKS : 1;
    }
    return marker + (columns > 0 && columns <= MOST_BLANKS && code_at(text, at) != '\n' ? columns : 1);
}

/* Column at which the content of the innermost item around a line starts; 0 outside of lists. */
Py_ssize_t column_of(const Blocks *blocks, Py_ssize_t line) {
    const Lines *lines = blocks->lines;
    Py_ssize_t closed = below(sorted_of(&blocks->closers), line);
    Py_ssize_t last = closed > 0 ? blocks->closers.values[closed - 1] : -1;
    Py_ssize_t above = below(sorted_of(&blocks->items), line);
    for (Py_ssize_t index = above - 1; index >= 0 && index >= above - DEEPEST; index--) {
        Py_ssize_t item = blocks->items.values[index];
        if (item < last || is_rule(&lines->text, lines->firsts[item])) {
            return 0;
        }
        Py_ssize_t content = content_column(lines, item);
        if (content <= lines->indents[line]) {
            return content;
        }
    }
    return 0;
}

int is_deep(const Blocks *blocks, Py_ssize_t line) {
    int indent = blocks->lines->indents[line];
    return indent >= 4 || (indent > 0 && column_of(blocks, line) > 0);
}

PyObject *scan_items(PyObject *Py_UNUSED(module), PyObject *arguments) {
    PyObject *text;
    Py_buffer firsts;
    if (!PyArg_ParseTuple(arguments, "Uy*:items", &text, &firsts)) {
        return NULL;
    }
    Text codes = text_of(text);
    Py_ssize_t count = firsts.len / (Py_ssize_t)sizeof(int);
    PyObject *found = PyBytes_FromStringAndSize(NULL, count);
    for (Py_ssize_t line = 0; found != NULL && line < count; line++) {
        PyBytes_AS_STRING(found)[line] = (char)is_item(&codes, ((const int *)firsts.buf)[line]);
    }
    PyBuffer_Release(&firsts);
    return found;
}
