/* What the parts of `scan` share. They give what the Python modules of the same names give.
 *
 * These files are optional: where they cannot be compiled, Python and numpy do their work. */
#ifndef SCAN_H
#define SCAN_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <limits.h>
#include <stdint.h>
#include <string.h>
#include <wchar.h>

#if defined(__GNUC__)
#define FOR_EACH_KIND static inline __attribute__((always_inline))
/* No other library of the process may put its functions in the place of these. */
#pragma GCC visibility push(hidden)
#else
#define FOR_EACH_KIND static inline
#endif

#define NO_SIGN 127
#define FAILED (-2)
/* An exception is set; -1 says that there is nothing. */

/* ---- texts ---- */

typedef struct {
    int kind;
    const void *data;
    Py_ssize_t length;
} Text;

static inline Text text_of(PyObject *text) {
    return (Text){PyUnicode_KIND(text), PyUnicode_DATA(text), PyUnicode_GET_LENGTH(text)};
}

/* Outside of the text there are line ends. */
static inline Py_UCS4 code_at(const Text *text, Py_ssize_t place) {
    return place >= 0 && place < text->length ? PyUnicode_READ(text->kind, text->data, place) : '\n';
}

static inline int is_blank(Py_UCS4 code) {
    return code == ' ' || code == '\t';
}

static inline int is_gap(Py_UCS4 code) {
    return is_blank(code) || code == '\n';
}

static inline int is_digit(Py_UCS4 code) {
    return code >= '0' && code <= '9';
}

static inline int is_letter(Py_UCS4 code) {
    return (code >= 'a' && code <= 'z') || (code >= 'A' && code <= 'Z');
}

/* Behind the blanks at a place. */
static inline Py_ssize_t skip_blanks(const Text *text, Py_ssize_t at) {
    while (is_blank(code_at(text, at))) {
        at++;
    }
    return at;
}

/* Behind a run of one sign, or of so many at most. */
static inline Py_ssize_t skip_sign(const Text *text, Py_ssize_t at, Py_UCS4 sign, Py_ssize_t most) {
    Py_ssize_t last = most < text->length - at ? at + most : text->length;
    while (at < last && code_at(text, at) == sign) {
        at++;
    }
    return at;
}

/* Offset of a code point between two places, or the second of these. */
FOR_EACH_KIND Py_ssize_t find_code(int kind, const void *data, Py_UCS4 code, Py_ssize_t at, Py_ssize_t end) {
    if (at >= end) {
        return end;
    }
    if (kind == PyUnicode_1BYTE_KIND) {
        const Py_UCS1 *found = code < 256 ? memchr((const Py_UCS1 *)data + at, (int)code, end - at) : NULL;
        return found == NULL ? end : found - (const Py_UCS1 *)data;
    }
    if (kind == PyUnicode_4BYTE_KIND && sizeof(wchar_t) == 4) {
        const wchar_t *found = wmemchr((const wchar_t *)data + at, (wchar_t)code, end - at);
        return found == NULL ? end : found - (const wchar_t *)data;
    }
    if (kind == PyUnicode_2BYTE_KIND) {
        /* Without a branch for each, compilers look at all of them at once. */
        const Py_UCS2 *codes = data;
        for (int any = 0; end - at >= 16; at += 16) {
            for (int near = 0; near < 16; near++) {
                any |= codes[at + near] == code;
            }
            if (any) {
                break;
            }
        }
    }
    while (at < end && PyUnicode_READ(kind, data, at) != code) {
        at++;
    }
    return at;
}

/* The same for a text whose kind is not known yet. */
Py_ssize_t find_in(const Text *text, Py_UCS4 code, Py_ssize_t at, Py_ssize_t end);
/* Behind the line end from a place on, or the end of the text. */
Py_ssize_t behind_line(const Text *text, Py_ssize_t at);

/* ---- sorted numbers ---- */

typedef struct {
    int *values;
    Py_ssize_t count, room;
} Ints;

int add(Ints *ints, Py_ssize_t value);
PyObject *bytes_of(const Ints *ints);

typedef struct {
    const int *values;
    Py_ssize_t count;
} Sorted;

/* How many of some ascending numbers are less than a limit. */
Py_ssize_t below(Sorted numbers, Py_ssize_t limit);

static inline Sorted sorted_of(const Ints *ints) {
    return (Sorted){ints->values, ints->count};
}

static inline Sorted sorted_in(const Py_buffer *buffer) {
    return (Sorted){buffer->buf, buffer->len / (Py_ssize_t)sizeof(int)};
}

/* ---- lines and blocks ---- */

typedef struct {
    Text text;
    Py_ssize_t count;
    const int *starts, *firsts, *indents;
    const unsigned char *signs, *opens, *items;
} Lines;

/* Line numbers and offsets of what was found so far. */
typedef struct {
    const Lines *lines;
    Ints items, closers;
    Ints title_lines, title_behinds, title_levels;
    Ints whole_starts, whole_ends;
    Ints table_starts, table_ends, table_bodies;
    char *starting;
    /* Offset behind the last block inside which nothing else is. */
    Py_ssize_t free;
    PyObject *names, *literals, *formula, *html, *ends_table;
} Blocks;

/* What follows a line: the start of the next one, blank or not. */
Py_ssize_t after(const Lines *lines, Py_ssize_t line);
/* Number of the first line from one on that starts at an offset or behind it. */
Py_ssize_t line_from(const Lines *lines, Py_ssize_t line, Py_ssize_t offset);
/* Keep a block, whose first and last lines start blocks; all else in it does not. */
void take(Blocks *blocks, Py_ssize_t line, Py_ssize_t end);
void mark(Blocks *blocks, Py_ssize_t line, Py_ssize_t end);
int add_title(Blocks *blocks, Py_ssize_t line, Py_ssize_t behind, Py_ssize_t level);
/* What a function of Python says, given a line and another number: a place, -1 or FAILED. */
Py_ssize_t ask(PyObject *function, Py_ssize_t line, Py_ssize_t other);

int is_item(const Text *text, Py_ssize_t first);
int is_rule(const Text *text, Py_ssize_t first);
Py_ssize_t column_of(const Blocks *blocks, Py_ssize_t line);
Py_ssize_t behind_marker(const Text *text, Py_ssize_t first);
int is_title(const Text *text, Py_ssize_t first);
Py_ssize_t open_paragraph(const Blocks *blocks, Py_ssize_t line);
Py_ssize_t paragraph_before(const Blocks *blocks, Py_ssize_t line);
/* These say whether there is such a block at a line, or FAILED. */
int table(Blocks *blocks, Py_ssize_t line);
int html(Blocks *blocks, Py_ssize_t line);
int is_deep(const Blocks *blocks, Py_ssize_t line);

/* ---- what is called from Python ---- */

PyObject *scan_lines(PyObject *module, PyObject *text);
PyObject *scan_items(PyObject *module, PyObject *arguments);
PyObject *scan_blocks(PyObject *module, PyObject *arguments);
PyObject *scan_titles(PyObject *module, PyObject *arguments);
PyObject *scan_tenths(PyObject *module, PyObject *arguments);
PyObject *scan_least_sign(PyObject *module, PyObject *const *arguments, Py_ssize_t count);
PyObject *scan_least_place(PyObject *module, PyObject *arguments);
PyObject *scan_cuts(PyObject *module, PyObject *arguments);

/* ---- hashes of places ---- */

void make_tables(void);
/* Of a sign between two places the one with the least rank behind that of another; -1 for none. */
Py_ssize_t least_of_sign(const Text *text, Py_UCS4 sign, Py_ssize_t at, Py_ssize_t end, Py_ssize_t before);
/* Of some places the one with the least hash; with levels, of the least level. */
Py_ssize_t least_of(const Text *text, Sorted places, const int *levels, Py_ssize_t first, Py_ssize_t last);

#endif
