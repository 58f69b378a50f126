/* Where the chunks of a text end, as `structure.cut_by_python` says; in rare cases Python is asked. */
#include "scan.h"

#define CHINESE_STOP 0x3002
#define TRIES 6
#define ENDING 3
#define NOWHERE 0

typedef struct {
    Text text;
    PyObject *string;
    Sorted titles, blocks, rows, edges, wholes;
    const int *levels, *whole_ends;
    const unsigned char *special;
    Text openings;
    const char *endings;
    Py_ssize_t endings_length, low, middle, high, longest;
    /* Nothing opens in this part of the text, in which it was looked for. */
    Py_ssize_t clear_from, clear_to;
    PyObject *sentence_start, *thing_at, *other;
} Plan;

/* The end of the smallest chunk, of a good one, of the largest. */
typedef struct {
    Py_ssize_t least, middle, most;
} Window;

/* ---- sentences ---- */

/* Whether the three letters before a full stop are of no abbreviation. */
static int ends_word(const Plan *plan, Py_ssize_t stop) {
    char ending[ENDING];
    for (int index = 0; index < ENDING; index++) {
        Py_UCS4 code = code_at(&plan->text, stop - ENDING + index);
        if (!is_letter(code)) {
            return 0;
        }
        ending[index] = (char)(code | 0x20);
    }
    for (Py_ssize_t index = 0; index + ENDING <= plan->endings_length; index += ENDING) {
        if (memcmp(plan->endings + index, ending, ENDING) == 0) {
            return 0;
        }
    }
    return 1;
}

/* Where the sentence behind a full stop starts; NOWHERE or FAILED. */
static Py_ssize_t sentence_behind(const Plan *plan, Py_ssize_t stop, Py_ssize_t most) {
    Py_UCS4 next = code_at(&plan->text, stop + 1);
    if (code_at(&plan->text, stop) == CHINESE_STOP) {
        if (next >= 0x4E00 && next <= 0x9FFF) {
            return stop + 1;
        }
    } else if ((next == ' ' || next == '\n') && stop + 1 < most
               && Py_UNICODE_ISUPPER(code_at(&plan->text, stop + 2)) && ends_word(plan, stop)) {
        return stop + 2;
    }
    PyObject *answer = PyObject_CallFunction(plan->sentence_start, "Onn", plan->string, stop, most);
    Py_ssize_t place = answer == NULL ? FAILED : PyLong_AsSsize_t(answer);
    Py_XDECREF(answer);
    return PyErr_Occurred() ? FAILED : place;
}

static Py_ssize_t behind_least(const Plan *plan, Py_UCS4 sign, Py_ssize_t before, Py_ssize_t most) {
    Py_ssize_t stop = least_of_sign(&plan->text, sign, before, most, -1), place = NOWHERE;
    for (int tries = TRIES; stop >= 0 && tries > 0 && place == NOWHERE; tries--) {
        place = sentence_behind(plan, stop, most);
        stop = place == NOWHERE ? least_of_sign(&plan->text, sign, before, most, stop) : -1;
    }
    return place;
}

/* Whether a thing that is not to be cut may open in a part of the text. */
static int may_hold_things(Plan *plan, Py_ssize_t start, Py_ssize_t end) {
    int known = plan->clear_from <= start && start <= plan->clear_to;
    Py_ssize_t from = known ? plan->clear_to : start;
    for (Py_ssize_t index = 0; index < plan->openings.length; index++) {
        if (from < end && find_in(&plan->text, code_at(&plan->openings, index), from, end) < end) {
            return 1;
        }
    }
    plan->clear_from = known ? plan->clear_from : start;
    plan->clear_to = from < end ? end : from;
    return 0;
}

/* Between two sentences of the paragraph that starts at an edge; NOWHERE or FAILED. */
static Py_ssize_t sentence_cut(Plan *plan, Py_ssize_t edge, Window window) {
    Py_ssize_t place = behind_least(plan, '.', window.middle - 1, window.most);
    if (place == NOWHERE) {
        place = behind_least(plan, CHINESE_STOP, window.middle - 1, window.most);
    }
    if (place <= NOWHERE) {
        return place;
    }
    Py_ssize_t first = plan->edges.values[edge];
    first = place - first > plan->longest ? place - plan->longest : first;
    if (!may_hold_things(plan, first, place)) {
        return place;
    }
    Py_ssize_t thing = ask(plan->thing_at, edge, place);
    return thing == FAILED ? FAILED : (thing ? NOWHERE : place);
}

/* ---- blocks ---- */

/* Of some places the one with the least hash behind the middle, or else the last before it; NOWHERE. */
static Py_ssize_t late(const Plan *plan, Sorted places, Window window) {
    Py_ssize_t first = below(places, window.least), behind = below(places, window.most + 1);
    if (first == behind) {
        return NOWHERE;
    }
    Py_ssize_t middle = first + below((Sorted){places.values + first, behind - first}, window.middle);
    return places.values[middle < behind ? least_of(&plan->text, places, NULL, middle, behind) : behind - 1];
}

/* End of the code block or formula that a cut would part, if it stays whole; NOWHERE without one. */
static Py_ssize_t whole_end(const Plan *plan, Py_ssize_t place) {
    Py_ssize_t index = below(plan->wholes, place) - 1;
    if (index < 0 || plan->whole_ends[index] <= place) {
        return NOWHERE;
    }
    Py_ssize_t end = plan->whole_ends[index], size = end - plan->wholes.values[index];
    return size <= plan->longest || size <= plan->high ? end : NOWHERE;
}

static Py_ssize_t last_before(Sorted places, Py_ssize_t place) {
    Py_ssize_t index = below(places, place);
    return index > 0 ? places.values[index - 1] : 0;
}

/* The end of a thing, with the blank lines behind it if that is not too much. */
static Py_ssize_t behind_thing(const Plan *plan, Py_ssize_t start, Py_ssize_t end) {
    Py_ssize_t index = below(plan->edges, end), at = end;
    Py_ssize_t following = index < plan->edges.count ? plan->edges.values[index] : plan->text.length;
    while (at < following && Py_UNICODE_ISSPACE(code_at(&plan->text, at))) {
        at++;
    }
    return following - start <= plan->longest && at == following ? following : end;
}

/* Before or behind a code block or formula that fills the window; NOWHERE if none does. */
static Py_ssize_t beside_whole(const Plan *plan, Py_ssize_t start, Window window) {
    if (whole_end(plan, window.least) <= window.most) {
        return NOWHERE;
    }
    Sorted kinds[] = {plan->titles, plan->blocks, plan->rows};
    Py_ssize_t before = 0;
    for (int kind = 0; kind < 3; kind++) {
        Py_ssize_t place = last_before(kinds[kind], window.least);
        before = place > before ? place : before;
    }
    if (before > start) {
        return before;
    }
    Py_ssize_t end = whole_end(plan, start + 1);
    return end > window.most ? behind_thing(plan, start, end) : NOWHERE;
}

/* Where a chunk ends if no block starts in its window; FAILED is an exception. */
static Py_ssize_t cut_block(Plan *plan, Py_ssize_t start, Window window, Py_ssize_t end) {
    Py_ssize_t following = below(plan->edges, window.least + 1), place;
    int alone = following == plan->edges.count || plan->edges.values[following] > window.most;
    if (following > 0 && !plan->special[following - 1] && alone) {
        place = sentence_cut(plan, following - 1, window);
    } else {
        place = late(plan, plan->rows, window);
        if (place == NOWHERE) {
            place = beside_whole(plan, start, window);
        }
    }
    if (place == NOWHERE) {
        place = ask(plan->other, start, end);
    }
    return place > end ? end : place;
}

/* ---- the loop ---- */

/* Where the chunk from a place on ends; `title` and `block` are the first that may still be wanted. */
static Py_ssize_t
next_cut(Plan *plan, Py_ssize_t start, Py_ssize_t end, Py_ssize_t *title, Py_ssize_t *block) {
    Window window = {start + plan->low, start + plan->middle, start + plan->high};
    Sorted titles = plan->titles, blocks = plan->blocks;
    while (*title < titles.count && titles.values[*title] < window.least) {
        ++*title;
    }
    Py_ssize_t last = *title, most = window.most < end ? window.most : end - 1;
    while (last < titles.count && titles.values[last] <= most) {
        last++;
    }
    if (last > *title) {
        return titles.values[least_of(&plan->text, titles, plan->levels, *title, last)];
    }
    if (window.most >= end) {
        return end;
    }
    while (*block < blocks.count && blocks.values[*block] < window.middle) {
        ++*block;
    }
    for (last = *block; last < blocks.count && blocks.values[last] <= window.most;) {
        last++;
    }
    if (last > *block) {
        return blocks.values[least_of(&plan->text, blocks, NULL, *block, last)];
    }
    if (*block > 0 && blocks.values[*block - 1] >= window.least) {
        return blocks.values[*block - 1];
    }
    return cut_block(plan, start, window, end);
}

static int find_cuts(Plan *plan, Py_ssize_t start, Py_ssize_t end, Ints *found) {
    Py_ssize_t title = below(plan->titles, start), block = below(plan->blocks, start);
    while (start < end) {
        Py_ssize_t cut = next_cut(plan, start, end, &title, &block);
        if (cut == FAILED) {
            return FAILED;
        }
        if (cut <= start || cut > end) {
            PyErr_Format(PyExc_ValueError, "cuts: a chunk from %zd to %zd is none", start, cut);
            return FAILED;
        }
        if (add(found, cut) < 0) {
            return FAILED;
        }
        start = cut;
    }
    return 0;
}

enum { TITLES, LEVELS, BLOCKS, ROWS, EDGES, SPECIAL, WHOLES, ENDS, BUFFERS };

static int is_sound(const Plan *plan, const Py_buffer *buffers, Py_ssize_t start, Py_ssize_t end) {
    return buffers[LEVELS].len == buffers[TITLES].len && buffers[ENDS].len == buffers[WHOLES].len
        && buffers[SPECIAL].len == plan->edges.count && plan->text.length <= INT_MAX && start >= 0
        && end <= plan->text.length && plan->low > 0 && plan->low <= plan->middle
        && plan->middle <= plan->high && plan->high <= PY_SSIZE_T_MAX - INT_MAX - 1 && plan->longest >= 0;
}

PyObject *scan_cuts(PyObject *Py_UNUSED(module), PyObject *arguments) {
    Py_buffer buffers[BUFFERS];
    Plan plan = {.clear_from = -1, .clear_to = -1};
    PyObject *openings, *found = NULL;
    Py_ssize_t start, end;
    Ints cuts = {NULL, 0, 0};
    if (!PyArg_ParseTuple(
            arguments, "Uy*y*y*y*y*y*y*y*Us#(nnn)nnnOOO:cuts", &plan.string, &buffers[TITLES],
            &buffers[LEVELS], &buffers[BLOCKS], &buffers[ROWS], &buffers[EDGES], &buffers[SPECIAL],
            &buffers[WHOLES], &buffers[ENDS], &openings, &plan.endings, &plan.endings_length, &plan.low,
            &plan.middle, &plan.high, &plan.longest, &start, &end, &plan.sentence_start, &plan.thing_at,
            &plan.other
        )) {
        return NULL;
    }
    plan.text = text_of(plan.string);
    plan.openings = text_of(openings);
    plan.titles = sorted_in(&buffers[TITLES]);
    plan.blocks = sorted_in(&buffers[BLOCKS]);
    plan.rows = sorted_in(&buffers[ROWS]);
    plan.edges = sorted_in(&buffers[EDGES]);
    plan.wholes = sorted_in(&buffers[WHOLES]);
    plan.levels = buffers[LEVELS].buf;
    plan.special = buffers[SPECIAL].buf;
    plan.whole_ends = buffers[ENDS].buf;
    if (!is_sound(&plan, buffers, start, end)) {
        PyErr_SetString(PyExc_ValueError, "cuts: the places do not belong to the text, or to each other");
    } else if (find_cuts(&plan, start, end, &cuts) == 0) {
        found = bytes_of(&cuts);
    }
    PyMem_Free(cuts.values);
    for (int index = 0; index < BUFFERS; index++) {
        PyBuffer_Release(&buffers[index]);
    }
    return found;
}
