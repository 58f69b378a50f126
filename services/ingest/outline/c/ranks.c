/* Hashes by which one of several places is chosen: of `breaks.py` behind signs, else of `structure.py`. */
#include "scan.h"

#define AROUND 8
#define LEVEL_BITS 3
#define DEEPEST_LEVEL 7

static uint32_t CRC[256], WEIGHTS[2 * AROUND];

void make_tables(void) {
    for (uint32_t near = 0, weight = 1; near < 2 * AROUND; near++) {
        WEIGHTS[near] = weight *= 0x9E3779B1u;
    }
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
    while ((at = find_code(kind, text->data, sign, at, end)) < end) {
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

Py_ssize_t least_of_sign(const Text *text, Py_UCS4 sign, Py_ssize_t at, Py_ssize_t end, Py_ssize_t before) {
    switch (text->kind) {
    case PyUnicode_1BYTE_KIND:
        return find_least(PyUnicode_1BYTE_KIND, text, sign, at, end, before);
    case PyUnicode_2BYTE_KIND:
        return find_least(PyUnicode_2BYTE_KIND, text, sign, at, end, before);
    default:
        return find_least(PyUnicode_4BYTE_KIND, text, sign, at, end, before);
    }
}

PyObject *scan_least_sign(PyObject *Py_UNUSED(module), PyObject *const *arguments, Py_ssize_t count) {
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
    return PyLong_FromSsize_t(least_of_sign(&text, sign, start, end, before));
}

/* The same as `structure.hashes` says. */
FOR_EACH_KIND uint32_t hash_at(int kind, const Text *text, Py_ssize_t place) {
    Py_ssize_t first = place < AROUND ? 0 : place - AROUND;
    uint32_t hash = 0;
    if (first + 2 * AROUND <= text->length) {
        for (int near = 0; near < 2 * AROUND; near++) {
            hash += WEIGHTS[near] * PyUnicode_READ(kind, text->data, first + near);
        }
    } else {
        for (int near = 0; near < 2 * AROUND; near++) {
            hash += WEIGHTS[near] * code_at(text, first + near);
        }
    }
    hash ^= hash >> 15;
    hash *= 0x2C1B3C6Du;
    return hash ^ hash >> 12;
}

FOR_EACH_KIND Py_ssize_t least_in(
    int kind, const Text *text, const int *places, const int *levels, Py_ssize_t first, Py_ssize_t last
) {
    Py_ssize_t least = first;
    uint32_t least_hash = 0;
    for (Py_ssize_t index = first; index < last; index++) {
        uint32_t hash = hash_at(kind, text, places[index]);
        if (levels != NULL) {
            int level = levels[index] < DEEPEST_LEVEL ? levels[index] : DEEPEST_LEVEL;
            hash = hash >> LEVEL_BITS | (uint32_t)level << (32 - LEVEL_BITS);
        }
        if (index == first || hash < least_hash) {
            least = index;
            least_hash = hash;
        }
    }
    return least;
}

Py_ssize_t least_of(const Text *text, Sorted places, const int *levels, Py_ssize_t first, Py_ssize_t last) {
    if (last - first == 1) {
        return first;
    }
    switch (text->kind) {
    case PyUnicode_1BYTE_KIND:
        return least_in(PyUnicode_1BYTE_KIND, text, places.values, levels, first, last);
    case PyUnicode_2BYTE_KIND:
        return least_in(PyUnicode_2BYTE_KIND, text, places.values, levels, first, last);
    default:
        return least_in(PyUnicode_4BYTE_KIND, text, places.values, levels, first, last);
    }
}

PyObject *scan_least_place(PyObject *Py_UNUSED(module), PyObject *arguments) {
    PyObject *text, *found = NULL;
    Py_buffer places, levels;
    Py_ssize_t first, last;
    if (!PyArg_ParseTuple(arguments, "Uy*y*nn:least_place", &text, &places, &levels, &first, &last)) {
        return NULL;
    }
    Sorted some = sorted_in(&places);
    if (first < 0 || first >= last || last > some.count || (levels.len && levels.len != places.len)) {
        PyErr_SetString(PyExc_ValueError, "least_place: there are no such places");
    } else {
        Text codes = text_of(text);
        found = PyLong_FromSsize_t(least_of(&codes, some, levels.len ? levels.buf : NULL, first, last));
    }
    PyBuffer_Release(&places);
    PyBuffer_Release(&levels);
    return found;
}
