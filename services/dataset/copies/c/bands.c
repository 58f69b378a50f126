/* Which rows share a bucket in a band of MinHash values. */
#include "loops.h"

#define DIGIT 11
#define DIGITS (1 << DIGIT)

/* A row at its place among all, with the number of its bucket. */
typedef struct {
    uint32_t key;
    int32_t place;
} Entry;

/* What rows of large buckets are ordered by: further values, and at last the place. */
typedef struct {
    uint64_t values[DEEP / 8];
    int32_t place;
} Deep;

/* What is found, and the room that finding it takes. */
typedef struct {
    const uint8_t *values;
    const int32_t *rows;
    Py_ssize_t count;
    int start, depth, full;
    Entry *entries, *spare;
    Deep *deep;
    int32_t *order, *first, *last;
    Py_ssize_t filled;
} Band;

static uint32_t key_of(const uint8_t *values, int depth) {
    uint64_t key = 0;
    for (int at = 0; at < depth; at++) {
        key = (key ^ values[at]) * UINT64_C(0x9E3779B97F4A7C15);
        key ^= key >> 32;
    }
    return (uint32_t)key;
}

/* The keys of some bands side by side: the values of a row are fetched once for all of them. */
static void keys(
    const uint8_t *values, const int32_t *rows, Py_ssize_t count, int start, int depth, int bands, uint32_t *found
) {
    for (Py_ssize_t at = 0; at < count; at++) {
        AHEAD(values + (Py_ssize_t)rows[at + 16 < count ? at + 16 : at] * LANES + start);
        const uint8_t *row = values + (Py_ssize_t)rows[at] * LANES + start;
        for (int band = 0; band < bands; band++) {
            found[band * count + at] = key_of(row + band * depth, depth);
        }
    }
}

/* By key, stably: time in proportion to the count. */
static Entry *sorted(Entry *entries, Entry *spare, Py_ssize_t count) {
    for (int shift = 0; shift < 32; shift += DIGIT) {
        uint32_t places[DIGITS] = {0}, before = 0;
        for (Py_ssize_t at = 0; at < count; at++) {
            places[entries[at].key >> shift & (DIGITS - 1)]++;
        }
        for (int digit = 0; digit < DIGITS; digit++) {
            uint32_t here = places[digit];
            places[digit] = before;
            before += here;
        }
        for (Py_ssize_t at = 0; at < count; at++) {
            spare[places[entries[at].key >> shift & (DIGITS - 1)]++] = entries[at];
        }
        Entry *other = spare;
        spare = entries;
        entries = other;
    }
    return entries;
}

_Static_assert(DEEP == 16, "two words of values are compared");

static inline int is_before(const Deep *one, const Deep *other) {
    return one->values[0] != other->values[0] ? one->values[0] < other->values[0] : one->values[1] < other->values[1];
}

/* Merges two ordered runs; of equals those of the first come first. */
static void merge(const Deep *one, const Deep *middle, const Deep *end, Deep *found) {
    const Deep *other = middle;
    while (one < middle && other < end) {
        *found++ = is_before(other, one) ? *other++ : *one++;
    }
    memcpy(found, one, (middle - one) * sizeof(Deep));
    memcpy(found + (middle - one), other, (end - other) * sizeof(Deep));
}

/* By values, stably, by ever longer runs; where they are in the end. */
static Deep *ordered(Deep *deep, Deep *spare, Py_ssize_t count) {
    for (Py_ssize_t run = 1; run < count; run *= 2) {
        for (Py_ssize_t start = 0; start < count; start += 2 * run) {
            Py_ssize_t middle = start + run < count ? start + run : count;
            Py_ssize_t end = middle + run < count ? middle + run : count;
            merge(deep + start, deep + middle, deep + end, spare + start);
        }
        Deep *other = spare;
        spare = deep;
        deep = other;
    }
    return deep;
}

/* The members of a large bucket, those next to each other that have most in common. */
static const Deep *order_deeply(Band *band, const Entry *members, Py_ssize_t count) {
    for (Py_ssize_t at = 0; at < count; at++) {
        int32_t place = members[at].place;
        AHEAD(band->values + (Py_ssize_t)band->rows[members[at + 16 < count ? at + 16 : at].place] * LANES + band->start);
        const uint8_t *row = band->values + (Py_ssize_t)band->rows[place] * LANES;
        band->deep[at].place = place;
        for (int word = 0; word < DEEP / 8; word++) {
            uint64_t packed = 0;
            for (int lane = 0; lane < 8; lane++) {
                packed = packed << 8 | row[(band->start + band->depth + word * 8 + lane) % LANES];
            }
            band->deep[at].values[word] = packed;
        }
    }
    return ordered(band->deep, band->deep + count, count);
}

static void add(Band *band, const Entry *members, Py_ssize_t count) {
    const Deep *deep = count > band->full ? order_deeply(band, members, count) : NULL;
    int32_t first = (int32_t)band->filled, last = first + (int32_t)count;
    for (Py_ssize_t at = 0; at < count; at++) {
        band->order[band->filled] = band->rows[deep ? deep[at].place : members[at].place];
        band->first[band->filled] = first;
        band->last[band->filled++] = last;
    }
}

/* -1 when there is no memory. */
static int find_buckets(Band *band, const uint32_t *found) {
    for (Py_ssize_t at = 0; at < band->count; at++) {
        band->entries[at] = (Entry){found[at], (int32_t)at};
    }
    Entry *entries = sorted(band->entries, band->spare, band->count);
    Py_ssize_t largest = 0;
    for (Py_ssize_t start = 0, end; start < band->count; start = end) {
        for (end = start + 1; end < band->count && entries[end].key == entries[start].key; end++) {
        }
        largest = end - start > largest ? end - start : largest;
    }
    band->deep = largest > band->full ? malloc(2 * largest * sizeof(Deep)) : NULL;
    if (largest > band->full && band->deep == NULL) {
        return -1;
    }
    for (Py_ssize_t start = 0, end; start < band->count; start = end) {
        for (end = start + 1; end < band->count && entries[end].key == entries[start].key; end++) {
        }
        if (end - start > 1) {
            add(band, entries + start, end - start);
        }
    }
    return 0;
}

PyObject *loops_keys(PyObject *Py_UNUSED(module), PyObject *arguments) {
    Py_buffer values, rows;
    int start, depth, bands;
    if (!PyArg_ParseTuple(arguments, "y*y*iii:keys", &values, &rows, &start, &depth, &bands)) {
        return NULL;
    }
    PyObject *found = NULL;
    Py_ssize_t count = rows.len / 4;
    if (start < 0 || depth < 1 || bands < 1 || start + depth * bands > LANES) {
        PyErr_SetString(PyExc_ValueError, "keys: bands beyond the values");
    } else if ((found = PyBytes_FromStringAndSize(NULL, count * bands * 4)) != NULL) {
        uint32_t *numbers = (uint32_t *)PyBytes_AS_STRING(found);
        Py_BEGIN_ALLOW_THREADS
        keys(values.buf, rows.buf, count, start, depth, bands, numbers);
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&values);
    PyBuffer_Release(&rows);
    return found;
}

static void free_all(Band *band) {
    free(band->entries);
    free(band->spare);
    free(band->deep);
    free(band->order);
    free(band->first);
    free(band->last);
}

static PyObject *found_by(Band *band, const Py_buffer *numbers) {
    size_t count = (size_t)band->count + 1;
    band->entries = malloc(count * sizeof(Entry));
    band->spare = malloc(count * sizeof(Entry));
    band->order = malloc(count * sizeof(int32_t));
    band->first = malloc(count * sizeof(int32_t));
    band->last = malloc(count * sizeof(int32_t));
    if (!band->entries || !band->spare || !band->order || !band->first || !band->last) {
        return PyErr_NoMemory();
    }
    int done;
    Py_BEGIN_ALLOW_THREADS
    done = find_buckets(band, numbers->buf);
    Py_END_ALLOW_THREADS
    if (done < 0) {
        return PyErr_NoMemory();
    }
    Py_ssize_t size = band->filled * 4;
    return Py_BuildValue(
        "y#y#y#", (const char *)band->order, size, (const char *)band->first, size, (const char *)band->last, size
    );
}

PyObject *loops_band(PyObject *Py_UNUSED(module), PyObject *arguments) {
    Py_buffer values, rows, numbers;
    Band band = {0};
    if (!PyArg_ParseTuple(
            arguments, "y*y*y*iii:band", &values, &rows, &numbers, &band.start, &band.depth, &band.full
        )) {
        return NULL;
    }
    PyObject *found = NULL;
    band.values = values.buf;
    band.rows = rows.buf;
    band.count = rows.len / 4;
    if (numbers.len != rows.len) {
        PyErr_SetString(PyExc_ValueError, "band: a key for each row");
    } else {
        found = found_by(&band, &numbers);
    }
    free_all(&band);
    PyBuffer_Release(&values);
    PyBuffer_Release(&rows);
    PyBuffer_Release(&numbers);
    return found;
}
