/* Which rows of a bucket are alike. */
#include "loops.h"

/* The rows, and when two of them are alike. */
typedef struct {
    const uint8_t *values;
    const uint32_t *grams;
    const int64_t *starts;
    const int32_t *sizes;
    double threshold;
    int least_equal, least_of_first, least_of_half;
} Rows;

/* The rows in an order in which those of a bucket are neighbours: places [first, last). */
typedef struct {
    const int32_t *rows, *first, *last;
    Py_ssize_t count;
    Py_ssize_t full, window;
} Buckets;

/* Values that are compared first; two rows that are too unlike in these are not looked at any more. */
#define FIRST 64

/* A part of the values of a row: so many that a byte counts the equal ones. */
static inline int equal_in_part(const uint8_t *restrict left, const uint8_t *restrict right) {
    uint8_t equal = 0;
    for (int lane = 0; lane < FIRST; lane++) {
        equal += left[lane] == right[lane];
    }
    return equal;
}

/* Whether two rows may be alike by their values; where there are no 3-grams, whether they are. */
static inline int alike_by_values(const Rows *rows, const uint8_t *left, const uint8_t *right) {
    int equal = 0;
    for (int part = 0; part < LANES / FIRST; part++) {
        equal += equal_in_part(left + part * FIRST, right + part * FIRST);
        if (rows->grams != NULL && ((part == 0 && equal < rows->least_of_first) ||
                                    (part == LANES / FIRST / 2 - 1 && equal < rows->least_of_half))) {
            return 0;
        }
    }
    return equal >= rows->least_equal;
}

/* How many of ascending numbers are at most a limit. */
static Py_ssize_t up_to(const uint32_t *numbers, Py_ssize_t count, uint32_t limit) {
    Py_ssize_t low = 0, high = count;
    while (low < high) {
        Py_ssize_t middle = (low + high) / 2;
        if (numbers[middle] <= limit) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Whether so many of the numbers are in both as the threshold wants; stops when they cannot be any more. */
static int overlap_enough(
    const uint32_t *left, Py_ssize_t lefts, const uint32_t *right, Py_ssize_t rights, double threshold
) {
    const uint32_t *left_end = left + lefts, *right_end = right + rights;
    Py_ssize_t both = 0;
    double least = threshold / (1 + threshold) * (double)(lefts + rights) - 1e-6;
    while (left < left_end && right < right_end) {
        Py_ssize_t left_rest = left_end - left, right_rest = right_end - right;
        Py_ssize_t rest = left_rest < right_rest ? left_rest : right_rest;
        if ((double)(both + rest) < least) {
            return 0;
        }
        for (int step = 0; step < 16 && left < left_end && right < right_end; step++) {
            uint32_t one = *left, other = *right;
            both += one == other;
            left += one <= other;
            right += other <= one;
        }
    }
    return (double)both / (double)(lefts + rights - both) >= threshold;
}

static int alike_by_grams(const Rows *rows, int32_t left, int32_t right) {
    double small = rows->sizes[left], large = rows->sizes[right];
    if (small > large) {
        double other = small;
        small = large;
        large = other;
    }
    if (small / large < rows->threshold) {
        return 0;
    }
    if (rows->grams == NULL) {
        return 1;
    }
    const uint32_t *lefts = rows->grams + rows->starts[left], *rights = rows->grams + rows->starts[right];
    Py_ssize_t left_count = rows->starts[left + 1] - rows->starts[left];
    Py_ssize_t right_count = rows->starts[right + 1] - rows->starts[right];
    /* Of a long text only the lowest 3-grams are kept: what is above the last of them is not compared. */
    if (left_count < rows->sizes[left]) {
        right_count = up_to(rights, right_count, lefts[left_count - 1]);
    }
    if (right_count > 0 && right_count == rows->starts[right + 1] - rows->starts[right] &&
        right_count < rows->sizes[right]) {
        left_count = up_to(lefts, left_count, rights[right_count - 1]);
    }
    return overlap_enough(lefts, left_count, rights, right_count, rows->threshold);
}

static int32_t root(int32_t *parents, int32_t row) {
    while (parents[row] != row) {
        parents[row] = parents[parents[row]];
        row = parents[row];
    }
    return row;
}

static inline const uint8_t *values_of(const Rows *rows, int32_t row) { return rows->values + (Py_ssize_t)row * LANES; }

static inline void soon(const Rows *rows, int32_t row) {
    for (int value = 0; value < LANES; value += 64) {
        AHEAD(values_of(rows, row) + value);
    }
}

static void join_pair(const Rows *rows, int32_t left, int32_t right, int32_t *parents) {
    int32_t low = root(parents, left), high = root(parents, right);
    if (low != high && alike_by_grams(rows, left, right)) {
        parents[low < high ? high : low] = low < high ? low : high;
    }
}

WIDE static void join(const Rows *rows, const Buckets *buckets, int32_t *parents) {
    Py_ssize_t taken = 0;
    for (Py_ssize_t at = 0; at < buckets->count; at++) {
        Py_ssize_t end = buckets->last[at];
        if (end - buckets->first[at] > buckets->full && end > at + 1 + buckets->window) {
            end = at + 1 + buckets->window;
        }
        for (; taken < end; taken++) {
            soon(rows, buckets->rows[taken + 16 < buckets->count ? taken + 16 : taken]);
        }
        const uint8_t *one = values_of(rows, buckets->rows[at]);
        for (Py_ssize_t place = at + 1; place < end; place++) {
            if (alike_by_values(rows, one, values_of(rows, buckets->rows[place]))) {
                join_pair(rows, buckets->rows[at], buckets->rows[place], parents);
            }
        }
    }
}

/* What `kept` says of a row; 0: it is looked for, any other number: it is passed over. */
#define KEPT 1

static inline uint8_t like_one_of(
    const Rows *rows, const Buckets *buckets, int32_t row, const int32_t *kept, Py_ssize_t many
) {
    for (Py_ssize_t one = 0; one < many; one++) {
        int32_t other = buckets->rows[kept[one]];
        if (alike_by_values(rows, values_of(rows, row), values_of(rows, other)) && alike_by_grams(rows, row, other)) {
            return 1;
        }
    }
    return 0;
}

/* For every row that is looked for and not marked yet, the kept ones of its bucket, the nearest of many.
   `held` has room for the places of all kept rows. */
WIDE static void match(const Rows *rows, const Buckets *buckets, const uint8_t *kept, uint8_t *marked, int32_t *held) {
    Py_ssize_t many = 0, before = 0, low = 0, high = 0;
    for (Py_ssize_t at = 0; at < buckets->count; at++) {
        if (kept[buckets->rows[at]] == KEPT) {
            held[many++] = (int32_t)at;
        }
    }
    for (Py_ssize_t at = 0; at < buckets->count; at++) {
        int32_t row = buckets->rows[at], first = buckets->first[at], last = buckets->last[at];
        soon(rows, buckets->rows[at + 16 < buckets->count ? at + 16 : at]);
        if (at == first) {
            low = high = before;
            while (high < many && held[high] < last) {
                high++;
            }
        }
        if (kept[row]) {
            before += kept[row] == KEPT;
            continue;
        }
        Py_ssize_t from = low, to = high;
        if (last - first > buckets->full) {
            from = before - buckets->window > low ? before - buckets->window : low;
            to = before + buckets->window < high ? before + buckets->window : high;
        }
        if (!marked[row] && from < to) {
            marked[row] = like_one_of(rows, buckets, row, held + from, to - from);
        }
    }
}

/* So many rows are kept. */
static Py_ssize_t kept_count(const Buckets *buckets, const uint8_t *kept) {
    Py_ssize_t count = 0;
    for (Py_ssize_t at = 0; at < buckets->count; at++) {
        count += kept[buckets->rows[at]] == KEPT;
    }
    return count;
}

/* What both functions are given, as Python holds it. */
typedef struct {
    Py_buffer values, grams, starts, sizes, order, first, last, extra, marked;
} Held;

static void release(Held *held) {
    Py_buffer *all[] = {&held->values, &held->grams, &held->starts, &held->sizes, &held->order,
                        &held->first,  &held->last,  &held->extra,  &held->marked};
    for (size_t at = 0; at < sizeof all / sizeof *all; at++) {
        if (all[at]->obj != NULL) {
            PyBuffer_Release(all[at]);
        }
    }
}

static int take(PyObject *arguments, const char *format, Held *held, Rows *rows, Buckets *buckets, int marks) {
    if (!PyArg_ParseTuple(
            arguments, format, &held->values, &held->grams, &held->starts, &held->sizes, &rows->threshold,
            &rows->least_equal, &held->order, &held->first, &held->last, &buckets->full, &buckets->window,
            &held->extra, &held->marked
        )) {
        return 0;
    }
    Py_ssize_t count = held->sizes.len / 4;
    Py_ssize_t places = held->order.len / 4;
    if (held->values.len != count * LANES || (held->grams.len && held->starts.len != (count + 1) * 8) ||
        held->first.len != places * 4 || held->last.len != places * 4 ||
        held->extra.len != (marks ? count : count * 4) || (marks && held->marked.len != count)) {
        PyErr_SetString(PyExc_ValueError, "columns of different lengths");
        return 0;
    }
    rows->values = held->values.buf;
    rows->grams = held->grams.len ? held->grams.buf : NULL;
    rows->starts = held->starts.buf;
    /* As many standard deviations below the threshold as `least_equal` is: `buckets.SLACK`. */
    rows->least_of_first = rows->least_equal / 4 - 10;
    rows->least_of_half = rows->least_equal / 2 - 9;
    rows->sizes = held->sizes.buf;
    buckets->rows = held->order.buf;
    buckets->first = held->first.buf;
    buckets->last = held->last.buf;
    buckets->count = places;
    return 1;
}

PyObject *loops_join(PyObject *Py_UNUSED(module), PyObject *arguments) {
    Held held = {0};
    Rows rows = {0};
    Buckets buckets = {0};
    PyObject *done = NULL;
    if (take(arguments, "y*y*y*y*diy*y*y*nnw*:join", &held, &rows, &buckets, 0)) {
        Py_BEGIN_ALLOW_THREADS
        join(&rows, &buckets, held.extra.buf);
        Py_END_ALLOW_THREADS
        done = Py_NewRef(Py_None);
    }
    release(&held);
    return done;
}

PyObject *loops_match(PyObject *Py_UNUSED(module), PyObject *arguments) {
    Held held = {0};
    Rows rows = {0};
    Buckets buckets = {0};
    PyObject *done = NULL;
    if (take(arguments, "y*y*y*y*diy*y*y*nny*w*:match", &held, &rows, &buckets, 1)) {
        int32_t *places = malloc((kept_count(&buckets, held.extra.buf) + 1) * sizeof(int32_t));
        if (places == NULL) {
            PyErr_NoMemory();
        } else {
            Py_BEGIN_ALLOW_THREADS
            match(&rows, &buckets, held.extra.buf, held.marked.buf, places);
            Py_END_ALLOW_THREADS
            free(places);
            done = Py_NewRef(Py_None);
        }
    }
    release(&held);
    return done;
}
