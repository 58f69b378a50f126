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
    uint64_t values[DEEP / 4];
    int32_t place;
} Deep;

/* What is found, and the room that finding it takes. */
typedef struct {
    const uint16_t *values;
    const int32_t *rows;
    Py_ssize_t count;
    int start, depth, full;
    Entry *entries, *spare;
    Deep *deep;
    int32_t *order, *first, *last;
    Py_ssize_t filled;
} Band;

static uint32_t key_of(const uint16_t *values, int depth) {
    uint64_t key = 0;
    for (int at = 0; at < depth; at++) {
        key = (key ^ values[at]) * UINT64_C(0x9E3779B97F4A7C15);
        key ^= key >> 32;
    }
    return (uint32_t)key;
}

/* The keys of some bands side by side: the values of a row are fetched once for all of them. */
static void keys(
    const uint16_t *values, const int32_t *rows, Py_ssize_t count, int start, int depth, int bands, uint32_t *found
) {
    for (Py_ssize_t at = 0; at < count; at++) {
        AHEAD(values + (Py_ssize_t)rows[at + 16 < count ? at + 16 : at] * LANES + start);
        const uint16_t *row = values + (Py_ssize_t)rows[at] * LANES + start;
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

static int compare(const void *left, const void *right) {
    const Deep *one = left, *other = right;
    for (int at = 0; at < DEEP / 4; at++) {
        if (one->values[at] != other->values[at]) {
            return one->values[at] < other->values[at] ? -1 : 1;
        }
    }
    return one->place < other->place ? -1 : one->place > other->place;
}

/* The members of a large bucket, those next to each other that have most in common. */
static void order_deeply(Band *band, const Entry *members, Py_ssize_t count) {
    for (Py_ssize_t at = 0; at < count; at++) {
        int32_t place = members[at].place;
        const uint16_t *row = band->values + (Py_ssize_t)band->rows[place] * LANES;
        band->deep[at].place = place;
        for (int word = 0; word < DEEP / 4; word++) {
            uint64_t packed = 0;
            for (int lane = 0; lane < 4; lane++) {
                packed = packed << 16 | row[(band->start + band->depth + word * 4 + lane) % LANES];
            }
            band->deep[at].values[word] = packed;
        }
    }
    qsort(band->deep, count, sizeof(Deep), compare);
}

static void add(Band *band, const Entry *members, Py_ssize_t count) {
    int large = count > band->full;
    if (large) {
        order_deeply(band, members, count);
    }
    int32_t first = (int32_t)band->filled, last = first + (int32_t)count;
    for (Py_ssize_t at = 0; at < count; at++) {
        band->order[band->filled] = band->rows[large ? band->deep[at].place : members[at].place];
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
    band->deep = largest > band->full ? malloc(largest * sizeof(Deep)) : NULL;
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
