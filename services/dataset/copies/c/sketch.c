/* From texts to sets of 3-grams, and from these to MinHash values. */
#include "loops.h"

/* Stands for the letters that a text of one or two has too few. */
#define NO_LETTER 0x1FFFFF

typedef struct {
    int kind;
    const void *letters;
    Py_ssize_t length;
} Text;

/* What is found of a batch of texts. */
typedef struct {
    Py_ssize_t count;
    Text *texts;
    uint32_t *grams, *room, *spare;
    int32_t *kept, *sizes;
    uint8_t *values;
    uint64_t *keys;
    Py_ssize_t filled;
} Batch;

/* The finaliser of SplitMix64: every bit hangs on every other. */
static inline uint64_t mixed(uint64_t x) {
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static inline uint64_t letter(const Text *text, Py_ssize_t at) {
    return at < text->length ? PyUnicode_READ(text->kind, text->letters, at) : NO_LETTER;
}

static Py_ssize_t grams_of(const Text *text, uint32_t *grams) {
    Py_ssize_t count = text->length > 3 ? text->length - 2 : 1;
    uint64_t first = letter(text, 0), second = letter(text, 1);
    for (Py_ssize_t at = 0; at < count; at++) {
        uint64_t third = letter(text, at + 2);
        grams[at] = (uint32_t)(mixed(first | second << 21 | third << 42) >> 32);
        first = second;
        second = third;
    }
    return count;
}

/* Up to so many numbers are sorted by one digit, and the few that share it by insertion. */
#define FEW 512

static void sort_few(uint32_t *numbers, uint32_t *spare, Py_ssize_t count) {
    uint16_t places[256] = {0}, before = 0;
    for (Py_ssize_t at = 0; at < count; at++) {
        places[numbers[at] >> 24]++;
    }
    for (int digit = 0; digit < 256; digit++) {
        uint16_t here = places[digit];
        places[digit] = before;
        before += here;
    }
    for (Py_ssize_t at = 0; at < count; at++) {
        spare[places[numbers[at] >> 24]++] = numbers[at];
    }
    for (Py_ssize_t at = 0; at < count; at++) {
        uint32_t number = spare[at];
        Py_ssize_t place = at;
        for (; place > 0 && numbers[place - 1] > number; place--) {
            numbers[place] = numbers[place - 1];
        }
        numbers[place] = number;
    }
}

/* Ascending, by radix: time in proportion to the count, whatever the numbers. */
static void sort(uint32_t *numbers, uint32_t *spare, Py_ssize_t count) {
    if (count <= FEW) {
        sort_few(numbers, spare, count);
        return;
    }
    for (int shift = 0; shift < 32; shift += 8) {
        uint32_t places[256] = {0}, before = 0;
        for (Py_ssize_t at = 0; at < count; at++) {
            places[numbers[at] >> shift & 255]++;
        }
        for (int digit = 0; digit < 256; digit++) {
            uint32_t here = places[digit];
            places[digit] = before;
            before += here;
        }
        for (Py_ssize_t at = 0; at < count; at++) {
            spare[places[numbers[at] >> shift & 255]++] = numbers[at];
        }
        uint32_t *sorted = spare;
        spare = numbers;
        numbers = sorted;
    }
}

static Py_ssize_t without_doubles(uint32_t *numbers, Py_ssize_t count) {
    Py_ssize_t kept = 1;
    for (Py_ssize_t at = 1; at < count; at++) {
        if (numbers[at] != numbers[kept - 1]) {
            numbers[kept++] = numbers[at];
        }
    }
    return kept;
}

/* A block of lanes fits in registers while the 3-grams pass by. */
#define BLOCK 32

WIDE static void least(
    const uint32_t *restrict grams, Py_ssize_t count, const uint32_t *restrict factors,
    const uint32_t *restrict terms, uint8_t *restrict values
) {
    for (int block = 0; block < LANES; block += BLOCK) {
        uint32_t lowest[BLOCK];
        memset(lowest, 0xFF, sizeof lowest);
        for (Py_ssize_t at = 0; at < count; at++) {
            uint32_t gram = grams[at];
            for (int lane = 0; lane < BLOCK; lane++) {
                uint32_t hash = gram * factors[block + lane] + terms[block + lane];
                lowest[lane] = hash < lowest[lane] ? hash : lowest[lane];
            }
        }
        for (int lane = 0; lane < BLOCK; lane++) {
            values[block + lane] = (uint8_t)(lowest[lane] * UINT32_C(0x9E3779B1) >> 24);
        }
    }
}

static void sketch(Batch *batch, const uint32_t *factors, const uint32_t *terms, Py_ssize_t limit) {
    for (Py_ssize_t at = 0; at < batch->count; at++) {
        Py_ssize_t size = grams_of(&batch->texts[at], batch->room);
        sort(batch->room, batch->spare, size);
        size = without_doubles(batch->room, size);
        least(batch->room, size, factors, terms, batch->values + at * LANES);
        uint64_t key = (uint64_t)size;
        for (Py_ssize_t gram = 0; gram < size; gram++) {
            key = (key ^ batch->room[gram]) * UINT64_C(0x9E3779B97F4A7C15);
            key ^= key >> 29;
        }
        Py_ssize_t kept = size < limit ? size : limit;
        memcpy(batch->grams + batch->filled, batch->room, kept * sizeof(uint32_t));
        batch->filled += kept;
        batch->keys[at] = mixed(key);
        batch->kept[at] = (int32_t)kept;
        batch->sizes[at] = (int32_t)size;
    }
}

static int find_room(Batch *batch, PyObject *texts, Py_ssize_t limit) {
    Py_ssize_t count = PyTuple_GET_SIZE(texts), longest = 1, total = 0;
    batch->count = count;
    batch->texts = malloc((count + 1) * sizeof(Text));
    for (Py_ssize_t at = 0; batch->texts != NULL && at < count; at++) {
        PyObject *text = PyTuple_GET_ITEM(texts, at);
        if (!PyUnicode_Check(text)) {
            PyErr_SetString(PyExc_TypeError, "sketch: expected a tuple of texts");
            return 0;
        }
        Py_ssize_t length = PyUnicode_GET_LENGTH(text);
        if (length > INT32_MAX) {
            PyErr_SetString(PyExc_OverflowError, "sketch: a text of more than 2,147,483,647 characters");
            return 0;
        }
        batch->texts[at] = (Text){PyUnicode_KIND(text), PyUnicode_DATA(text), length};
        longest = length > longest ? length : longest;
        total += length > 3 ? (length < limit ? length : limit) : 1;
    }
    batch->grams = malloc((total + 1) * sizeof(uint32_t));
    batch->room = malloc(longest * sizeof(uint32_t));
    batch->spare = malloc(longest * sizeof(uint32_t));
    batch->kept = malloc((count + 1) * sizeof(int32_t));
    batch->sizes = malloc((count + 1) * sizeof(int32_t));
    batch->values = malloc((count + 1) * LANES);
    batch->keys = malloc((count + 1) * sizeof(uint64_t));
    if (!batch->texts || !batch->grams || !batch->room || !batch->spare || !batch->kept || !batch->sizes ||
        !batch->values || !batch->keys) {
        PyErr_NoMemory();
        return 0;
    }
    return 1;
}

static void give_back(Batch *batch) {
    free(batch->texts);
    free(batch->grams);
    free(batch->room);
    free(batch->spare);
    free(batch->kept);
    free(batch->sizes);
    free(batch->values);
    free(batch->keys);
}

static PyObject *columns(const Batch *batch) {
    Py_ssize_t count = batch->count;
    return Py_BuildValue(
        "y#y#y#y#y#", (const char *)batch->grams, batch->filled * (Py_ssize_t)sizeof(uint32_t),
        (const char *)batch->kept, count * (Py_ssize_t)sizeof(int32_t), (const char *)batch->sizes,
        count * (Py_ssize_t)sizeof(int32_t), (const char *)batch->values,
        count * LANES, (const char *)batch->keys,
        count * (Py_ssize_t)sizeof(uint64_t)
    );
}

PyObject *loops_sketch(PyObject *Py_UNUSED(module), PyObject *arguments) {
    PyObject *texts;
    Py_buffer factors, terms;
    Py_ssize_t limit;
    if (!PyArg_ParseTuple(arguments, "O!y*y*n", &PyTuple_Type, &texts, &factors, &terms, &limit)) {
        return NULL;
    }
    Batch batch = {0};
    PyObject *found = NULL;
    if (factors.len != LANES * 4 || terms.len != LANES * 4 || limit < 1) {
        PyErr_SetString(PyExc_ValueError, "sketch: a factor and a term for each lane, and a limit above 0");
    } else if (find_room(&batch, texts, limit)) {
        /* The tuple keeps the texts, and these do not change: others may run meanwhile. */
        Py_BEGIN_ALLOW_THREADS
        sketch(&batch, factors.buf, terms.buf, limit);
        Py_END_ALLOW_THREADS
        found = columns(&batch);
    }
    give_back(&batch);
    PyBuffer_Release(&factors);
    PyBuffer_Release(&terms);
    return found;
}
