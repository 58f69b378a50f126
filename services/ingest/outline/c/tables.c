/* GFM tables. */
#include "scan.h"

#define CODE_COLUMNS 4

/* Part of a text. */
typedef struct {
    Py_ssize_t start, end;
} Part;

static Part stripped(const Text *text, Py_ssize_t start, Py_ssize_t end) {
    while (end > start && Py_UNICODE_ISSPACE(code_at(text, end - 1))) {
        end--;
    }
    return (Part){start, end};
}

/* Behind the dashes of a cell of a delimiter row, with its colons and the blanks around; -1 without any. */
static Py_ssize_t behind_dashes(const Text *text, Py_ssize_t at) {
    at = skip_blanks(text, at);
    at += code_at(text, at) == ':';
    Py_ssize_t behind = skip_sign(text, at, '-', text->length);
    if (behind == at) {
        return -1;
    }
    return skip_blanks(text, behind + (code_at(text, behind) == ':'));
}

/* Where a delimiter row ends; -1 if it is none. */
static Py_ssize_t delimiter_row(const Text *text, Py_ssize_t first) {
    if (code_at(text, first) == '-' && is_blank(code_at(text, first + 1))) {
        return -1;
    }
    Py_ssize_t at = behind_dashes(text, first + (code_at(text, first) == '|'));
    for (Py_ssize_t next = at; next >= 0;) {
        at = next;
        next = code_at(text, at) == '|' ? behind_dashes(text, at + 1) : -1;
    }
    if (at >= 0 && code_at(text, at) == '|') {
        at = skip_blanks(text, at + 1);
    }
    return at >= 0 && code_at(text, at) == '\n' ? at : -1;
}

/* What decides how many cells a row has: bars, those at its ends, and whether some were escaped. */
typedef struct {
    Py_ssize_t bars, signs;
    Py_UCS4 first, last;
    int escapes;
} Row;

static Row row_of(const Text *text, Part part) {
    Row row = {0, 0, 0, 0, 0};
    for (Py_ssize_t at = part.start; at < part.end; at++) {
        Py_UCS4 code = code_at(text, at);
        if (code == '\\') {
            row.escapes = 1;
            if (at + 1 < part.end && code_at(text, at + 1) == '|') {
                at++;
                continue;
            }
        }
        row.first = row.signs == 0 ? code : row.first;
        row.last = code;
        row.signs++;
        row.bars += code == '|';
    }
    return row;
}

static int is_closed(Row row) {
    return row.first == '|' && row.last == '|' && !row.escapes;
}

static Py_ssize_t cells(Row row) {
    return row.bars + 1 - (row.first == '|') - (row.last == '|' && row.signs > 1);
}

static int as_many_cells(const Text *text, Part header, Part delimiters) {
    Row above = row_of(text, header), below = row_of(text, delimiters);
    if (is_closed(above) && is_closed(below)) {
        return above.bars == below.bars;
    }
    return cells(above) == cells(below);
}

/* Whether a line with a sign in front that is no bar ends a table; FAILED is an exception. */
static int ends_table(const Blocks *blocks, Py_ssize_t line) {
    const Text *text = &blocks->lines->text;
    Py_ssize_t first = blocks->lines->firsts[line], behind, end;
    switch (code_at(text, first)) {
    case '>':
        return 1;
    case '<':
        return (int)ask(blocks->ends_table, first, 0);
    case '#':
        return is_title(text, first);
    case '~':
        return skip_sign(text, first, '~', 3) == first + 3;
    case '`':
        behind = skip_sign(text, first, '`', text->length);
        end = find_in(text, '\n', behind, text->length);
        return behind >= first + 3 && find_in(text, '`', behind, end) == end;
    default:
        behind = behind_marker(text, first);
        return (behind >= 0 && is_gap(code_at(text, behind))) || is_rule(text, first);
    }
}

/* Number of the last row of a table whose delimiter row is a line; FAILED is an exception. */
static Py_ssize_t last_row(const Blocks *blocks, Py_ssize_t line) {
    const Lines *lines = blocks->lines;
    for (Py_ssize_t following = line + 1; following < lines->count; following++) {
        if (lines->opens[following] || lines->indents[following] >= CODE_COLUMNS) {
            return following - 1;
        }
        int ends = lines->signs[following] == '|' ? 0 : ends_table(blocks, following);
        if (ends) {
            return ends == FAILED ? FAILED : following - 1;
        }
    }
    return lines->count - 1;
}

int table(Blocks *blocks, Py_ssize_t line) {
    const Lines *lines = blocks->lines;
    const Text *text = &lines->text;
    if (line == 0 || lines->opens[line] || lines->starts[line - 1] < blocks->free) {
        return 0;
    }
    Py_ssize_t first = lines->firsts[line], end = delimiter_row(text, first);
    Part header = stripped(text, lines->firsts[line - 1], (Py_ssize_t)lines->starts[line] - 1);
    if (end < 0 || find_in(text, '|', header.start, header.end) == header.end
        || !as_many_cells(text, header, stripped(text, first, end))
        || (Py_ssize_t)lines->indents[line] - lines->indents[line - 1] >= CODE_COLUMNS) {
        return 0;
    }
    Py_ssize_t last = last_row(blocks, line);
    if (last == FAILED) {
        return FAILED;
    }
    Py_ssize_t body = end < text->length ? end + 1 : text->length, behind = after(lines, last);
    if (add(&blocks->table_starts, lines->starts[line - 1]) < 0 || add(&blocks->table_ends, behind) < 0
        || add(&blocks->table_bodies, body) < 0) {
        return FAILED;
    }
    take(blocks, line - 1, behind);
    mark(blocks, line - 1, behind);
    return 1;
}
