/* From a block of COPY BINARY to columns as Arrow has them. */
#include "blocks.h"

#define COLUMNS 32

/* A column: `t` text, `u` a UUID that becomes text, `d` a float of 64 bits, `i` a whole number of 32 bits. */
typedef struct {
    char kind;
    Bytes offsets, data, valid;
    Py_ssize_t nulls;
} Column;

typedef enum { FINE, NO_MEMORY, BROKEN } Outcome;

static uint32_t big32(const unsigned char *at) {
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static uint64_t big64(const unsigned char *at) {
    return (uint64_t)big32(at) << 32 | big32(at + 4);
}

static void write_uuid(const unsigned char *at, char *text) {
    static const char digits[] = "0123456789abcdef";
    for (int byte = 0; byte < 16; byte++) {
        if (byte == 4 || byte == 6 || byte == 8 || byte == 10) {
            *text++ = '-';
        }
        *text++ = digits[at[byte] >> 4];
        *text++ = digits[at[byte] & 15];
    }
}

static Outcome add_value(Column *column, const unsigned char *at, int32_t size) {
    char text[36];
    if (column->kind == 't') {
        return append(&column->data, at, size) ? FINE : NO_MEMORY;
    }
    if (column->kind == 'u') {
        if (size != 16) {
            return BROKEN;
        }
        write_uuid(at, text);
        return append(&column->data, text, sizeof text) ? FINE : NO_MEMORY;
    }
    if (size != (column->kind == 'd' ? 8 : 4)) {
        return BROKEN;
    }
    uint64_t number = column->kind == 'd' ? big64(at) : (uint64_t)(int64_t)(int32_t)big32(at);
    return append(&column->data, &number, sizeof number) ? FINE : NO_MEMORY;
}

static Outcome add_field(Column *column, Py_ssize_t row, const unsigned char *at, int32_t size) {
    static const uint64_t nothing = 0;
    int is_text = column->kind == 't' || column->kind == 'u';
    if (row % 8 == 0 && !append(&column->valid, &nothing, 1)) {
        return NO_MEMORY;
    }
    if (size < 0) {
        column->nulls++;
        if (!is_text && !append(&column->data, &nothing, sizeof nothing)) {
            return NO_MEMORY;
        }
    } else {
        column->valid.data[row / 8] |= (char)(1 << row % 8);
        Outcome outcome = add_value(column, at, size);
        if (outcome != FINE) {
            return outcome;
        }
    }
    if (!is_text) {
        return FINE;
    }
    if (column->data.size > INT32_MAX) {
        return BROKEN;
    }
    int32_t end = (int32_t)column->data.size;
    return append(&column->offsets, &end, sizeof end) ? FINE : NO_MEMORY;
}

static Outcome split(const unsigned char *at, const unsigned char *end, Column *columns, int count, Py_ssize_t *rows) {
    static const int32_t zero = 0;
    for (int each = 0; each < count; each++) {
        if (!append(&columns[each].offsets, &zero, sizeof zero)) {
            return NO_MEMORY;
        }
    }
    for (; at < end; ++*rows) {
        if (end - at == 2 && at[0] == 0xFF && at[1] == 0xFF) {
            break;
        }
        if (end - at < 2 || (at[0] << 8 | at[1]) != count) {
            return BROKEN;
        }
        at += 2;
        for (int each = 0; each < count; each++) {
            if (end - at < 4) {
                return BROKEN;
            }
            int32_t size = (int32_t)big32(at);
            at += 4;
            if (size > end - at) {
                return BROKEN;
            }
            Outcome outcome = add_field(&columns[each], *rows, at, size);
            if (outcome != FINE) {
                return outcome;
            }
            at += size > 0 ? size : 0;
        }
    }
    return FINE;
}

static PyObject *result(const Column *columns, int count, Py_ssize_t rows) {
    PyObject *found = PyList_New(0);
    for (int each = 0; found != NULL && each < count; each++) {
        const Column *column = &columns[each];
        PyObject *made = Py_BuildValue(
            "(ny#y#y#)", column->nulls, BUILT(column->valid), BUILT(column->offsets), BUILT(column->data)
        );
        if (made == NULL || PyList_Append(found, made) < 0) {
            Py_CLEAR(found);
        }
        Py_XDECREF(made);
    }
    return found == NULL ? NULL : Py_BuildValue("nN", rows, found);
}

PyObject *blocks_split(PyObject *Py_UNUSED(module), PyObject *arguments) {
    Py_buffer block;
    const char *kinds;
    Py_ssize_t count, rows = 0;
    if (!PyArg_ParseTuple(arguments, "y*s#:split", &block, &kinds, &count)) {
        return NULL;
    }
    Column columns[COLUMNS] = {{0}};
    Outcome outcome = count > COLUMNS ? BROKEN : FINE;
    PyObject *found = NULL;
    if (outcome == FINE) {
        for (int each = 0; each < count; each++) {
            columns[each].kind = kinds[each];
        }
        Py_BEGIN_ALLOW_THREADS
        outcome = split(block.buf, (unsigned char *)block.buf + block.len, columns, (int)count, &rows);
        Py_END_ALLOW_THREADS
    }
    if (outcome == FINE) {
        found = result(columns, (int)count, rows);
    } else if (outcome == NO_MEMORY) {
        PyErr_NoMemory();
    } else {
        PyErr_SetString(PyExc_ValueError, "split: no whole rows of these columns");
    }
    for (int each = 0; each < COLUMNS; each++) {
        free(columns[each].offsets.data);
        free(columns[each].data.data);
        free(columns[each].valid.data);
    }
    PyBuffer_Release(&block);
    return found;
}
