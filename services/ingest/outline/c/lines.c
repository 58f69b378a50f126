/* One pass over a text for its lines; `lines.py` finds the same in many with numpy. */
#include "scan.h"

#define LINES_AT_FIRST 1024

/* The columns of the table of lines. */
enum { STARTS, FIRSTS, INDENTS, HEADS, SIGNS, OPENS, COLUMNS };
static const Py_ssize_t WIDTHS[COLUMNS] = {4, 4, 4, 4, 1, 1};

typedef struct {
    PyObject *columns[COLUMNS];
    Py_ssize_t count, room;
} Columns;

static int resize(Columns *table, Py_ssize_t room) {
    for (int column = 0; column < COLUMNS; column++) {
        PyObject **bytes = &table->columns[column];
        if (*bytes == NULL) {
            *bytes = PyBytes_FromStringAndSize(NULL, room * WIDTHS[column]);
        } else {
            _PyBytes_Resize(bytes, room * WIDTHS[column]);
        }
        if (*bytes == NULL) {
            return -1;
        }
    }
    table->room = room;
    return 0;
}

#define CELL(table, column, type) (((type *)PyBytes_AS_STRING((table)->columns[column]))[(table)->count])

static int add_line(Columns *table, Py_ssize_t start, Py_ssize_t first, int indent, Py_UCS4 head, int opens) {
    if (table->count == table->room && resize(table, 2 * table->room) < 0) {
        return -1;
    }
    CELL(table, STARTS, int) = (int)start;
    CELL(table, FIRSTS, int) = (int)first;
    CELL(table, INDENTS, int) = indent;
    CELL(table, HEADS, Py_UCS4) = head;
    CELL(table, SIGNS, unsigned char) = (unsigned char)(head < NO_SIGN ? head : NO_SIGN);
    CELL(table, OPENS, unsigned char) = (unsigned char)opens;
    table->count++;
    return 0;
}

FOR_EACH_KIND int find_lines(int kind, const void *data, Py_ssize_t length, Columns *table) {
    int opens = 1;
    for (Py_ssize_t start = 0, end; start < length; start = end + 1) {
        Py_ssize_t first = start;
        int indent = 0;
        Py_UCS4 head = '\n';
        for (; first < length; first++) {
            head = PyUnicode_READ(kind, data, first);
            if (head == ' ') {
                indent++;
            } else if (head == '\t') {
                indent += 4 - indent % 4;
            } else {
                break;
            }
        }
        if (first == length || head == '\n') {
            end = first;
            opens = 1;
            continue;
        }
        if (add_line(table, start, first, indent, head, opens) < 0) {
            return -1;
        }
        opens = 0;
        end = find_code(kind, data, '\n', first, length);
    }
    return 0;
}

static int find(PyObject *text, Columns *table) {
    const void *data = PyUnicode_DATA(text);
    Py_ssize_t length = PyUnicode_GET_LENGTH(text);
    switch (PyUnicode_KIND(text)) {
    case PyUnicode_1BYTE_KIND:
        return find_lines(PyUnicode_1BYTE_KIND, data, length, table);
    case PyUnicode_2BYTE_KIND:
        return find_lines(PyUnicode_2BYTE_KIND, data, length, table);
    default:
        return find_lines(PyUnicode_4BYTE_KIND, data, length, table);
    }
}

PyObject *scan_lines(PyObject *Py_UNUSED(module), PyObject *text) {
    Columns table = {{NULL}, 0, 0};
    PyObject *found = NULL;
    /* Four columns a tab, and they still are an int. */
    if (!PyUnicode_Check(text) || PyUnicode_GET_LENGTH(text) > INT_MAX / 4) {
        return PyErr_Format(PyExc_ValueError, "lines: expected a text of less than 2**29 characters");
    }
    if (resize(&table, LINES_AT_FIRST) == 0 && find(text, &table) == 0 && resize(&table, table.count) == 0) {
        found = PyTuple_New(COLUMNS);
    }
    for (int column = 0; column < COLUMNS; column++) {
        if (found == NULL) {
            Py_XDECREF(table.columns[column]);
        } else {
            PyTuple_SET_ITEM(found, column, table.columns[column]);
        }
    }
    return found;
}
