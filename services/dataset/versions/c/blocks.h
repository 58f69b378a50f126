/* What is read of the rows that Postgres copies out; `blocks_by_python.py` does the same without a compiler. */
#ifndef BLOCKS_H
#define BLOCKS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Bytes that are added to. */
typedef struct {
    char *data;
    Py_ssize_t size, room;
} Bytes;

/* 0 when there is no memory. */
static inline int make_room(Bytes *bytes, Py_ssize_t more) {
    if (bytes->room - bytes->size >= more) {
        return 1;
    }
    Py_ssize_t room = (bytes->size + more) * 2;
    char *data = realloc(bytes->data, room);
    if (data == NULL) {
        return 0;
    }
    bytes->data = data;
    bytes->room = room;
    return 1;
}

static inline int append(Bytes *bytes, const void *data, Py_ssize_t size) {
    if (!make_room(bytes, size)) {
        return 0;
    }
    memcpy(bytes->data + bytes->size, data, size);
    bytes->size += size;
    return 1;
}

/* As `texts.normalise` does it, of what was added since a place; 0 where that takes tables of all letters. */
int normalise(Bytes *bytes, Py_ssize_t start);

/* The bytes and their size as `Py_BuildValue` takes them; there may be none. */
#define BUILT(bytes) (bytes).data == NULL ? "" : (bytes).data, (bytes).size

PyObject *blocks_split(PyObject *module, PyObject *arguments);
PyObject *blocks_study(PyObject *module, PyObject *arguments);
PyObject *blocks_pick(PyObject *module, PyObject *arguments);

#endif
