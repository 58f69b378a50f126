/* Texts and lists of numbers. */
#include "scan.h"

#define ROOM_AT_FIRST 64

Py_ssize_t find_in(const Text *text, Py_UCS4 code, Py_ssize_t at, Py_ssize_t end) {
    at = at < 0 ? 0 : at;
    end = end > text->length ? text->length : end;
    switch (text->kind) {
    case PyUnicode_1BYTE_KIND:
        return find_code(PyUnicode_1BYTE_KIND, text->data, code, at, end);
    case PyUnicode_2BYTE_KIND:
        return find_code(PyUnicode_2BYTE_KIND, text->data, code, at, end);
    default:
        return find_code(PyUnicode_4BYTE_KIND, text->data, code, at, end);
    }
}

Py_ssize_t behind_line(const Text *text, Py_ssize_t at) {
    Py_ssize_t end = find_in(text, '\n', at, text->length);
    return end < text->length ? end + 1 : text->length;
}

int add(Ints *ints, Py_ssize_t value) {
    if (ints->count == ints->room) {
        Py_ssize_t room = ints->room == 0 ? ROOM_AT_FIRST : 2 * ints->room;
        int *values = room <= PY_SSIZE_T_MAX / (Py_ssize_t)sizeof(int)
            ? PyMem_Realloc(ints->values, (size_t)room * sizeof(int))
            : NULL;
        if (values == NULL) {
            PyErr_NoMemory();
            return FAILED;
        }
        ints->values = values;
        ints->room = room;
    }
    ints->values[ints->count++] = (int)value;
    return 0;
}

PyObject *bytes_of(const Ints *ints) {
    return PyBytes_FromStringAndSize((const char *)ints->values, ints->count * (Py_ssize_t)sizeof(int));
}

Py_ssize_t below(Sorted numbers, Py_ssize_t limit) {
    Py_ssize_t first = 0, last = numbers.count;
    while (first < last) {
        Py_ssize_t middle = first + (last - first) / 2;
        if (numbers.values[middle] < limit) {
            first = middle + 1;
        } else {
            last = middle;
        }
    }
    return first;
}

Py_ssize_t after(const Lines *lines, Py_ssize_t line) {
    if (line + 1 < lines->count && !lines->opens[line + 1]) {
        return lines->starts[line + 1];
    }
    return behind_line(&lines->text, lines->firsts[line]);
}

Py_ssize_t line_from(const Lines *lines, Py_ssize_t line, Py_ssize_t offset) {
    while (line < lines->count && lines->starts[line] < offset) {
        line++;
    }
    return line;
}

Py_ssize_t ask(PyObject *function, Py_ssize_t line, Py_ssize_t other) {
    PyObject *answer = PyObject_CallFunction(function, "nn", line, other);
    if (answer == NULL) {
        return FAILED;
    }
    Py_ssize_t place = PyLong_AsSsize_t(answer);
    Py_DECREF(answer);
    return place == -1 && PyErr_Occurred() ? FAILED : place;
}
