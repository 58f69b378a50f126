/* Which units leave train: those first whose facts train still teaches. */
#include "blocks.h"

#define TIERS 4

/* What is asked where, and what units cost. */
typedef struct {
    const int64_t *costs, *fact_ends, *facts, *item_ends, *items;
    int64_t *train, *held;
    Py_ssize_t known;
} Units;

/* The place of a fact; the unknown one, -1, has the last. */
static Py_ssize_t place(const Units *units, int64_t fact) {
    return fact < 0 ? units->known - 1 : (Py_ssize_t)fact;
}

static int fits(const Units *units, int64_t unit, int tier) {
    Py_ssize_t first = place(units, units->items[units->item_ends[unit]]);
    if ((tier < 2 && units->train[first] < 2) || (tier == 0 && units->held[first])) {
        return 0;
    }
    for (int64_t at = units->fact_ends[unit]; tier < TIERS - 1 && at < units->fact_ends[unit + 1]; at++) {
        Py_ssize_t fact = place(units, units->facts[at]);
        if (units->train[fact] < 2 && units->held[fact]) {
            return 0;
        }
    }
    return 1;
}

static void move(Units *units, int64_t unit) {
    for (int64_t at = units->fact_ends[unit]; at < units->fact_ends[unit + 1]; at++) {
        units->train[place(units, units->facts[at])]--;
    }
    for (int64_t at = units->item_ends[unit]; at < units->item_ends[unit + 1]; at++) {
        units->held[place(units, units->items[at])]++;
    }
}

/* Picks of `members`, which become the rest; how many. */
static Py_ssize_t pick(
    Units *units, int64_t *members, Py_ssize_t count, int64_t size, int64_t slack, Py_ssize_t most, int64_t *found
) {
    Py_ssize_t picked = 0;
    for (int tier = 0; tier < TIERS; tier++) {
        Py_ssize_t rest = 0;
        for (Py_ssize_t at = 0; at < count; at++) {
            int64_t unit = members[at];
            if (size <= 0 || picked == most) {
                return picked;
            }
            if (units->costs[unit] <= slack * size && fits(units, unit, tier)) {
                move(units, unit);
                size -= units->costs[unit];
                found[picked++] = unit;
            } else {
                members[rest++] = unit;
            }
        }
        count = rest;
    }
    return picked;
}

enum { MEMBERS, COSTS, FACT_ENDS, FACTS, ITEM_ENDS, ITEMS, TRAIN, HELD, BUFFERS };

static Py_ssize_t length(const Py_buffer *buffer) {
    return buffer->len / 8;
}

/* Whether the lists of a unit lie within their numbers, and these are facts. */
static int is_sound(const Py_buffer *ends, const Py_buffer *numbers, int64_t unit, Py_ssize_t known, int least) {
    const int64_t *places = ends->buf, *facts = numbers->buf;
    int64_t first = places[unit], last = places[unit + 1];
    if (first < 0 || last < first + least || last > length(numbers)) {
        return 0;
    }
    for (int64_t at = first; at < last; at++) {
        if (facts[at] < -1 || facts[at] >= known) {
            return 0;
        }
    }
    return 1;
}

static int are_sound(const Py_buffer *all) {
    Py_ssize_t count = length(&all[COSTS]), known = length(&all[TRAIN]);
    const int64_t *members = all[MEMBERS].buf;
    if (known < 1 || length(&all[HELD]) != known || length(&all[FACT_ENDS]) != count + 1 ||
        length(&all[ITEM_ENDS]) != count + 1) {
        return 0;
    }
    for (Py_ssize_t at = 0; at < length(&all[MEMBERS]); at++) {
        if (members[at] < 0 || members[at] >= count ||
            !is_sound(&all[FACT_ENDS], &all[FACTS], members[at], known, 0) ||
            !is_sound(&all[ITEM_ENDS], &all[ITEMS], members[at], known, 1)) {
            return 0;
        }
    }
    return 1;
}

/* The picks, as bytes. */
static PyObject *picked(const Py_buffer *all, int64_t size, int64_t slack, Py_ssize_t most) {
    Py_ssize_t count = length(&all[MEMBERS]);
    int64_t *room = malloc((count + 1) * 2 * sizeof(int64_t));
    if (room == NULL) {
        return PyErr_NoMemory();
    }
    memcpy(room, all[MEMBERS].buf, count * sizeof(int64_t));
    Units units = {
        all[COSTS].buf, all[FACT_ENDS].buf, all[FACTS].buf, all[ITEM_ENDS].buf,
        all[ITEMS].buf, all[TRAIN].buf,     all[HELD].buf,  length(&all[TRAIN]),
    };
    Py_ssize_t found = pick(&units, room, count, size, slack, most, room + count);
    PyObject *made = PyBytes_FromStringAndSize((const char *)(room + count), found * (Py_ssize_t)sizeof(int64_t));
    free(room);
    return made;
}

PyObject *blocks_pick(PyObject *Py_UNUSED(module), PyObject *arguments) {
    Py_buffer all[BUFFERS] = {{0}};
    long long size, slack;
    Py_ssize_t most;
    if (!PyArg_ParseTuple(
            arguments, "y*y*y*y*y*y*w*w*LLn:pick", &all[MEMBERS], &all[COSTS], &all[FACT_ENDS], &all[FACTS],
            &all[ITEM_ENDS], &all[ITEMS], &all[TRAIN], &all[HELD], &size, &slack, &most
        )) {
        return NULL;
    }
    PyObject *made = NULL;
    if (are_sound(all)) {
        made = picked(all, size, slack, most);
    } else {
        PyErr_SetString(PyExc_ValueError, "pick: a number leads nowhere");
    }
    for (int each = 0; each < BUFFERS; each++) {
        PyBuffer_Release(&all[each]);
    }
    return made;
}
