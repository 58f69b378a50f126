/* How many tokens a text has by estimate, as `tokens.py` says. */
#include "scan.h"

#define TABLE 0x10000
#define LONGEST_WORD 12
#define TENTHS_OF_WORD 13
#define TENTHS_OF_CJK 10

/* As the table of kinds has them. */
enum { NOTHING, LETTER, DIGIT, SIGN, CJK };

typedef struct {
    Py_ssize_t at;
    int64_t tenths;
    int kind, run;
} State;

FOR_EACH_KIND int kind_of(const unsigned char *kinds, Py_UCS4 code) {
    if (code < TABLE) {
        return kinds[code];
    }
    return code >= 0x20000 && code < 0x40000 ? CJK : SIGN;
}

/* Go on to a place, and count the tokens that start before it. */
FOR_EACH_KIND void
go_on(int kind, const Text *text, const unsigned char *kinds, Py_ssize_t place, State *state) {
    State now = *state;
    for (; now.at < place; now.at++) {
        int next = kind_of(kinds, PyUnicode_READ(kind, text->data, now.at));
        now.run = next == now.kind && now.run < LONGEST_WORD ? now.run : 0;
        now.kind = next;
        if (next == CJK) {
            now.tenths += TENTHS_OF_CJK;
        } else if (next == SIGN || (next != NOTHING && now.run == 0)) {
            now.tenths += TENTHS_OF_WORD;
        }
        now.run++;
    }
    *state = now;
}

static void go_to(const Text *text, const unsigned char *kinds, Py_ssize_t place, State *state) {
    switch (text->kind) {
    case PyUnicode_1BYTE_KIND:
        go_on(PyUnicode_1BYTE_KIND, text, kinds, place, state);
        break;
    case PyUnicode_2BYTE_KIND:
        go_on(PyUnicode_2BYTE_KIND, text, kinds, place, state);
        break;
    default:
        go_on(PyUnicode_4BYTE_KIND, text, kinds, place, state);
    }
}

PyObject *scan_tenths(PyObject *Py_UNUSED(module), PyObject *arguments) {
    PyObject *string, *found = NULL;
    Py_buffer kinds, buffer;
    if (!PyArg_ParseTuple(arguments, "Uy*y*:tenths", &string, &kinds, &buffer)) {
        return NULL;
    }
    Text text = text_of(string);
    Sorted places = sorted_in(&buffer);
    State state = {0, 0, NOTHING, 0};
    if (kinds.len == TABLE && places.count <= PY_SSIZE_T_MAX / (Py_ssize_t)sizeof(int64_t)) {
        found = PyBytes_FromStringAndSize(NULL, places.count * (Py_ssize_t)sizeof(int64_t));
    } else {
        PyErr_SetString(PyExc_ValueError, "tenths: expected a kind of each of the first 65,536 code points");
    }
    for (Py_ssize_t index = 0; found != NULL && index < places.count; index++) {
        Py_ssize_t place = places.values[index];
        if (place < state.at || place > text.length) {
            PyErr_SetString(PyExc_ValueError, "tenths: expected ascending places in the text");
            Py_CLEAR(found);
        } else {
            go_to(&text, kinds.buf, place, &state);
            ((int64_t *)PyBytes_AS_STRING(found))[index] = state.tenths;
        }
    }
    PyBuffer_Release(&kinds);
    PyBuffer_Release(&buffer);
    return found;
}
