/* Which rows of a bucket are alike. */
#include "loops.h"

/* The rows, and when two of them are alike. */
typedef struct {
    const uint16_t *values;
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

WIDE static int equal_lanes(const uint16_t *restrict left, const uint16_t *restrict right, int lanes) {
    uint16_t equal = 0;
    for (int lane = 0; lane < lanes; lane++) {
        equal += left[lane] == right[lane];
    }
    return equal;
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

static int alike(const Rows *rows, int32_t left, int32_t right) {
    double small = rows->sizes[left], large = rows->sizes[right];
    if (small > large) {
        double other = small;
        small = large;
        large = other;
    }
    if (small / large < rows->threshold) {
        return 0;
    }
    const uint16_t *one = rows->values + (Py_ssize_t)left * LANES, *other = rows->values + (Py_ssize_t)right * LANES;
    if ((rows->grams != NULL && (equal_lanes(one, other, FIRST) < rows->least_of_first ||
                                 equal_lanes(one, other, LANES / 2) < rows->least_of_half)) ||
        equal_lanes(one, other, LANES) < rows->least_equal) {
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

/* The low bytes of the values of a row: these lie together, and most pairs are told by the first of them. */
typedef struct {
    uint8_t bytes[FIRST];
} Low;

static inline void take_low(const uint16_t *restrict values, Low *low) {
    for (int lane = 0; lane < FIRST; lane++) {
        low->bytes[lane] = (uint8_t)values[lane];
    }
}

static inline int equal_bytes(const Low *restrict left, const Low *restrict right) {
    uint8_t equal = 0;
    for (int lane = 0; lane < FIRST; lane++) {
        equal += left->bytes[lane] == right->bytes[lane];
    }
    return equal;
}

/* Whether two rows may be alike by their first values: equal values have equal low bytes. */
static inline int may_be_alike(const Rows *rows, const Low *left, const Low *right) {
    return rows->grams == NULL || equal_bytes(left, right) >= rows->least_of_first;
}

/* The low bytes of all values of a row, the first at once and the rest when it is asked for. */
typedef struct {
    Low parts[LANES / FIRST];
    int is_whole;
} AllLow;

static inline void take_rest(const Rows *rows, int32_t row, AllLow *low) {
    for (int part = 1; part < LANES / FIRST && !low->is_whole; part++) {
        take_low(rows->values + (Py_ssize_t)row * LANES + part * FIRST, &low->parts[part]);
    }
    low->is_whole = 1;
}

/* Whether two rows may be alike by all their values. */
static inline int still_may_be_alike(const Rows *rows, const AllLow *left, const AllLow *right) {
    int equal = 0;
    for (int part = 0; part < LANES / FIRST; part++) {
        if (part == LANES / FIRST / 2 && rows->grams != NULL && equal < rows->least_of_half) {
            return 0;
        }
        equal += equal_bytes(&left->parts[part], &right->parts[part]);
    }
    return equal >= rows->least_equal;
}

static inline void soon(const Rows *rows, int32_t row) {
    const uint16_t *coming = rows->values + (Py_ssize_t)row * LANES;
    for (int value = 0; value < LANES; value += 32) {
        AHEAD(coming + value);
    }
}

static void join_pair(const Rows *rows, int32_t left, int32_t right, int32_t *parents) {
    int32_t low = root(parents, left), high = root(parents, right);
    if (low != high && alike(rows, left, right)) {
        parents[low < high ? high : low] = low < high ? low : high;
    }
}

/* So many places whose low bytes are at hand that a row finds all in them with which it is compared. */
static Py_ssize_t ring_size(const Buckets *buckets) {
    Py_ssize_t most = buckets->full > buckets->window ? buckets->full : buckets->window, size = 1;
    most = most < buckets->count ? most : buckets->count;
    while (size <= most) {
        size *= 2;
    }
    return size;
}

/* Takes the low bytes of places in turn; `last` is the last place of the ring. */
WIDE static void join(const Rows *rows, const Buckets *buckets, int32_t *parents, AllLow *ring, Py_ssize_t last) {
    Py_ssize_t taken = 0;
    for (Py_ssize_t at = 0; at < buckets->count; at++) {
        Py_ssize_t end = buckets->last[at];
        if (end - buckets->first[at] > buckets->full && end > at + 1 + buckets->window) {
            end = at + 1 + buckets->window;
        }
        for (; taken < end; taken++) {
            soon(rows, buckets->rows[taken + 16 < buckets->count ? taken + 16 : taken]);
            take_low(rows->values + (Py_ssize_t)buckets->rows[taken] * LANES, ring[taken & last].parts);
            ring[taken & last].is_whole = 0;
        }
        AllLow *one = &ring[at & last];
        for (Py_ssize_t place = at + 1; place < end; place++) {
            AllLow *other = &ring[place & last];
            if (may_be_alike(rows, one->parts, other->parts)) {
                take_rest(rows, buckets->rows[at], one);
                take_rest(rows, buckets->rows[place], other);
                if (still_may_be_alike(rows, one, other)) {
                    join_pair(rows, buckets->rows[at], buckets->rows[place], parents);
                }
            }
        }
    }
}

/* What `kept` says of a row; 0: it is looked for, any other number: it is passed over. */
#define KEPT 1

/* A kept row: its place, and the low bytes of its values. */
typedef struct {
    int32_t place;
    Low low;
} Kept;

static inline uint8_t like_one_of(const Rows *rows, const Buckets *buckets, int32_t row, const Kept *kept, Py_ssize_t many) {
    Low mine;
    take_low(rows->values + (Py_ssize_t)row * LANES, &mine);
    for (Py_ssize_t one = 0; one < many; one++) {
        if (may_be_alike(rows, &mine, &kept[one].low) && alike(rows, row, buckets->rows[kept[one].place])) {
            return 1;
        }
    }
    return 0;
}

/* For every row that is looked for and not marked yet, the kept ones of its bucket, the nearest of many. */
WIDE static void match(const Rows *rows, const Buckets *buckets, const uint8_t *kept, uint8_t *marked, Kept *held) {
    Py_ssize_t many = 0, before = 0, low = 0, high = 0;
    for (Py_ssize_t at = 0; at < buckets->count; at++) {
        soon(rows, buckets->rows[at + 16 < buckets->count ? at + 16 : at]);
        if (kept[buckets->rows[at]] == KEPT) {
            held[many].place = (int32_t)at;
            take_low(rows->values + (Py_ssize_t)buckets->rows[at] * LANES, &held[many++].low);
        }
    }
    for (Py_ssize_t at = 0; at < buckets->count; at++) {
        int32_t row = buckets->rows[at], first = buckets->first[at], last = buckets->last[at];
        soon(rows, buckets->rows[at + 16 < buckets->count ? at + 16 : at]);
        if (at == first) {
            low = high = before;
            while (high < many && held[high].place < last) {
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
    if (held->values.len != count * LANES * 2 || (held->grams.len && held->starts.len != (count + 1) * 8) ||
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
        Py_ssize_t size = ring_size(&buckets);
        AllLow *ring = malloc(size * sizeof(AllLow));
        if (ring == NULL) {
            PyErr_NoMemory();
        } else {
            Py_BEGIN_ALLOW_THREADS
            join(&rows, &buckets, held.extra.buf, ring, size - 1);
            Py_END_ALLOW_THREADS
            free(ring);
            done = Py_NewRef(Py_None);
        }
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
        Kept *places = malloc((kept_count(&buckets, held.extra.buf) + 1) * sizeof(Kept));
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
