/* One pass over a text for what `lines.py` finds in many with numpy; both give the same.
 *
 * This file is optional: where it cannot be compiled, numpy does its work. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <limits.h>
#include <stdint.h>
#include <string.h>
#include <wchar.h>

#define NO_SIGN 127
#define LINES_AT_FIRST 1024
#define MOST_DIGITS 9
#define AROUND 8
#define FENCE_AWAY 5

#if defined(__GNUC__)
#define FOR_EACH_KIND static inline __attribute__((always_inline))
#else
#define FOR_EACH_KIND static inline
#endif

/* The columns of the table of lines. */
enum { STARTS, FIRSTS, INDENTS, HEADS, SIGNS, OPENS, COLUMNS };
static const Py_ssize_t WIDTHS[COLUMNS] = {4, 4, 4, 4, 1, 1};

typedef struct {
    PyObject *columns[COLUMNS];
    Py_ssize_t count, room;
} Table;

static int resize(Table *table, Py_ssize_t room) {
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

static int add_line(Table *table, Py_ssize_t start, Py_ssize_t first, int indent, Py_UCS4 head, int opens) {
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

/* Offset of the next line end, or the end of the text. */
FOR_EACH_KIND Py_ssize_t line_end(int kind, const void *data, Py_ssize_t at, Py_ssize_t length) {
    if (kind == PyUnicode_1BYTE_KIND) {
        const Py_UCS1 *found = memchr((const Py_UCS1 *)data + at, '\n', length - at);
        return found == NULL ? length : found - (const Py_UCS1 *)data;
    }
    if (kind == PyUnicode_4BYTE_KIND && sizeof(wchar_t) == 4) {
        const wchar_t *found = wmemchr((const wchar_t *)data + at, L'\n', length - at);
        return found == NULL ? length : found - (const wchar_t *)data;
    }
    if (kind == PyUnicode_2BYTE_KIND) {
        /* Without a branch for each, compilers look at all of them at once. */
        const Py_UCS2 *codes = data;
        for (int any = 0; at + 16 <= length; at += 16) {
            for (int near = 0; near < 16; near++) {
                any |= codes[at + near] == '\n';
            }
            if (any) {
                break;
            }
        }
    }
    while (at < length && PyUnicode_READ(kind, data, at) != '\n') {
        at++;
    }
    return at;
}

FOR_EACH_KIND int find_lines(int kind, const void *data, Py_ssize_t length, Table *table) {
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
        end = line_end(kind, data, first, length);
    }
    return 0;
}

static int find(PyObject *text, Table *table) {
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

static PyObject *lines(PyObject *Py_UNUSED(module), PyObject *text) {
    Table table = {{NULL}, 0, 0};
    PyObject *found = NULL;
    if (!PyUnicode_Check(text) || PyUnicode_GET_LENGTH(text) > INT_MAX) {
        return PyErr_Format(PyExc_ValueError, "lines: expected a text of less than 2**31 characters");
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

/* The code points of a text where they lie, as a buffer. */
typedef struct {
    PyObject_HEAD
    PyObject *text;
} Codes;

static int codes_buffer(PyObject *self, Py_buffer *view, int flags) {
    PyObject *text = ((Codes *)self)->text;
    return PyBuffer_FillInfo(
        view, self, PyUnicode_DATA(text), PyUnicode_GET_LENGTH(text) * PyUnicode_KIND(text), 1, flags
    );
}

static void codes_dealloc(PyObject *self) {
    Py_DECREF(((Codes *)self)->text);
    PyObject_Free(self);
}

static PyBufferProcs codes_as_buffer = {.bf_getbuffer = codes_buffer};

static PyTypeObject CodesType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "services.ingest.outline.scan.Codes",
    .tp_basicsize = sizeof(Codes),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_dealloc = codes_dealloc,
    .tp_as_buffer = &codes_as_buffer,
};

static PyObject *codes(PyObject *Py_UNUSED(module), PyObject *text) {
    if (!PyUnicode_Check(text)) {
        return PyErr_Format(PyExc_TypeError, "codes: expected a text");
    }
    Codes *found = PyObject_New(Codes, &CodesType);
    if (found == NULL) {
        return NULL;
    }
    found->text = Py_NewRef(text);
    return (PyObject *)found;
}

/* ---- which lines start items, and which may open blocks ---- */

typedef struct {
    int kind;
    const void *data;
    Py_ssize_t length;
} Text;

static Text text_of(PyObject *text) {
    return (Text){PyUnicode_KIND(text), PyUnicode_DATA(text), PyUnicode_GET_LENGTH(text)};
}

static Py_UCS4 code_at(const Text *text, Py_ssize_t place) {
    return place >= 0 && place < text->length ? PyUnicode_READ(text->kind, text->data, place) : '\n';
}

static int is_gap(Py_UCS4 code) {
    return code == ' ' || code == '\t' || code == '\n';
}

static int is_digit(Py_UCS4 code) {
    return code >= '0' && code <= '9';
}

static int is_item(const Text *text, Py_ssize_t first) {
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

static int may_open(const Text *text, Py_ssize_t first, int opens) {
    Py_UCS4 head = code_at(text, first), next = code_at(text, first + 1), third = code_at(text, first + 2);
    int dash = next == '-' || next == ':';
    int bare = is_gap(next) && is_gap(third);
    if (head == '#' || head == '<') {
        return 1;
    }
    if (head == '=') {
        return !opens;
    }
    if (head == '|' || head == ':') {
        return !opens && (dash || bare || (is_gap(next) && (third == '-' || third == ':')));
    }
    if ((head == '-' && (dash || bare || next == '|' || next == '\n')) || (head == '$' && next == '$')
        || (head == '\\' && (next == '[' || next == 'b'))) {
        return 1;
    }
    if (!is_digit(head) && (head > NO_SIGN || head == 0 || strchr("-*+>`~$\\", (int)head) == NULL)) {
        return 0;
    }
    for (Py_ssize_t place = first + 1; place <= first + FENCE_AWAY; place++) {
        Py_UCS4 sign = code_at(text, place);
        if (sign == '`' || sign == '~') {
            return 1;
        }
    }
    return 0;
}

static PyObject *items(PyObject *Py_UNUSED(module), PyObject *arguments) {
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

static PyObject *openers(PyObject *Py_UNUSED(module), PyObject *arguments) {
    PyObject *text, *found = NULL;
    Py_buffer firsts, opens;
    if (!PyArg_ParseTuple(arguments, "Uy*y*:openers", &text, &firsts, &opens)) {
        return NULL;
    }
    Text codes = text_of(text);
    Py_ssize_t count = opens.len;
    if (firsts.len != count * (Py_ssize_t)sizeof(int)) {
        PyErr_SetString(PyExc_ValueError, "openers: expected as many flags as places");
    } else {
        found = PyBytes_FromStringAndSize(NULL, count);
    }
    for (Py_ssize_t line = 0; found != NULL && line < count; line++) {
        int first = ((const int *)firsts.buf)[line], blank_before = ((const char *)opens.buf)[line];
        PyBytes_AS_STRING(found)[line] = (char)may_open(&codes, first, blank_before);
    }
    PyBuffer_Release(&firsts);
    PyBuffer_Release(&opens);
    return found;
}

/* ---- the sign with the least rank ---- */

/* Offset of a sign between two places, or the second of these. */
FOR_EACH_KIND Py_ssize_t sign_at(int kind, const void *data, Py_UCS4 sign, Py_ssize_t at, Py_ssize_t end) {
    if (kind == PyUnicode_1BYTE_KIND) {
        const Py_UCS1 *found = sign < 256 ? memchr((const Py_UCS1 *)data + at, (int)sign, end - at) : NULL;
        return found == NULL ? end : found - (const Py_UCS1 *)data;
    }
    while (at < end && PyUnicode_READ(kind, data, at) != sign) {
        at++;
    }
    return at;
}

static uint32_t CRC[256];

static void make_crc(void) {
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t crc = byte;
        for (int bit = 0; bit < 8; bit++) {
            crc = crc & 1 ? (crc >> 1) ^ 0xEDB88320u : crc >> 1;
        }
        CRC[byte] = crc;
    }
}

static inline uint32_t add_byte(uint32_t crc, Py_UCS4 byte) {
    return CRC[(crc ^ byte) & 0xFF] ^ (crc >> 8);
}

/* zlib's crc32 of a part of a text in UTF-8. */
FOR_EACH_KIND uint32_t rank_of(int kind, const void *data, Py_ssize_t at, Py_ssize_t end) {
    uint32_t crc = 0xFFFFFFFFu;
    for (; at < end; at++) {
        Py_UCS4 code = PyUnicode_READ(kind, data, at);
        if (code < 0x80) {
            crc = add_byte(crc, code);
            continue;
        }
        if (code < 0x800) {
            crc = add_byte(crc, 0xC0 | code >> 6);
        } else {
            if (code < 0x10000) {
                crc = add_byte(crc, 0xE0 | code >> 12);
            } else {
                crc = add_byte(crc, 0xF0 | code >> 18);
                crc = add_byte(crc, 0x80 | (code >> 12 & 0x3F));
            }
            crc = add_byte(crc, 0x80 | (code >> 6 & 0x3F));
        }
        crc = add_byte(crc, 0x80 | (code & 0x3F));
    }
    return ~crc;
}

FOR_EACH_KIND uint32_t rank_at(int kind, const Text *text, Py_ssize_t place) {
    Py_ssize_t first = place < AROUND ? 0 : place - AROUND;
    Py_ssize_t behind = text->length - place < AROUND ? text->length : place + AROUND;
    return rank_of(kind, text->data, first, behind);
}

FOR_EACH_KIND Py_ssize_t
find_least(int kind, const Text *text, Py_UCS4 sign, Py_ssize_t at, Py_ssize_t end, Py_ssize_t before) {
    Py_ssize_t least = -1;
    uint32_t least_rank = 0, last_rank = before < 0 ? 0 : rank_at(kind, text, before);
    while ((at = sign_at(kind, text->data, sign, at, end)) < end) {
        uint32_t rank = rank_at(kind, text, at);
        int follows = before < 0 || rank > last_rank || (rank == last_rank && at > before);
        if (follows && (least < 0 || rank < least_rank)) {
            least = at;
            least_rank = rank;
        }
        at++;
    }
    return least;
}

static PyObject *least_sign(PyObject *Py_UNUSED(module), PyObject *const *arguments, Py_ssize_t count) {
    if (count != 5 || !PyUnicode_Check(arguments[0]) || !PyUnicode_Check(arguments[1])
        || PyUnicode_GET_LENGTH(arguments[1]) != 1) {
        return PyErr_Format(PyExc_TypeError, "least_sign: expected a text, a sign and three places");
    }
    Text text = text_of(arguments[0]);
    Py_UCS4 sign = PyUnicode_READ_CHAR(arguments[1], 0);
    Py_ssize_t start = PyLong_AsSsize_t(arguments[2]), end = PyLong_AsSsize_t(arguments[3]);
    Py_ssize_t before = PyLong_AsSsize_t(arguments[4]);
    if (PyErr_Occurred()) {
        return NULL;
    }
    if (start < 0 || start > end || end > text.length || before >= text.length) {
        return PyErr_Format(PyExc_ValueError, "least_sign: the places are not in the text");
    }
    switch (text.kind) {
    case PyUnicode_1BYTE_KIND:
        return PyLong_FromSsize_t(find_least(PyUnicode_1BYTE_KIND, &text, sign, start, end, before));
    case PyUnicode_2BYTE_KIND:
        return PyLong_FromSsize_t(find_least(PyUnicode_2BYTE_KIND, &text, sign, start, end, before));
    default:
        return PyLong_FromSsize_t(find_least(PyUnicode_4BYTE_KIND, &text, sign, start, end, before));
    }
}

static PyMethodDef METHODS[] = {
    {"items", items, METH_VARARGS, "Which lines start an item of a list, given where they start, as bytes."},
    {"openers", openers, METH_VARARGS, "Which lines may open a block."},
    {"least_sign", (PyCFunction)(void (*)(void))least_sign, METH_FASTCALL, "The one of least rank, or -1."},
    {"lines", lines, METH_O, "Columns of the table of the lines of a text that are not blank, as bytes."},
    {"codes", codes, METH_O, "A buffer of the code points of a text, not copied."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef MODULE = {
    PyModuleDef_HEAD_INIT,
    .m_name = "scan",
    .m_doc = "The lines of a text, natively.",
    .m_size = 0,
    .m_methods = METHODS,
};

PyMODINIT_FUNC PyInit_scan(void) {
    make_crc();
    return PyType_Ready(&CodesType) < 0 ? NULL : PyModule_Create(&MODULE);
}
