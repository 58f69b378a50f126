/* The blocks of a Markdown text: headings, code blocks, tables, formulas, HTML. */
#include "scan.h"

#define FENCE_AWAY 5
#define DEEPEST_HEADING 6
#define CODE_COLUMNS 4
#define DIGITS '0': case '1': case '2': case '3': case '4': case '5': case '6': case '7': case '8': case '9'

void take(Blocks *blocks, Py_ssize_t line, Py_ssize_t end) {
    blocks->free = end;
    /* The header of a table may have looked like a heading. */
    Ints *titles = &blocks->title_lines;
    while (titles->count > 0 && titles->values[titles->count - 1] >= line) {
        titles->count--;
        blocks->title_behinds.count--;
        blocks->title_levels.count--;
    }
}

void mark(Blocks *blocks, Py_ssize_t line, Py_ssize_t end) {
    Py_ssize_t behind = line_from(blocks->lines, line, end);
    if (line < behind) {
        memset(blocks->starting + line, 0, (size_t)(behind - line));
        blocks->starting[line] = 1;
    }
    if (behind < blocks->lines->count) {
        blocks->starting[behind] = 1;
    }
}

int add_title(Blocks *blocks, Py_ssize_t line, Py_ssize_t behind, Py_ssize_t level) {
    if (add(&blocks->title_lines, line) < 0 || add(&blocks->title_behinds, behind) < 0
        || add(&blocks->title_levels, level) < 0) {
        return FAILED;
    }
    memset(blocks->starting + line, 0, (size_t)(behind - line));
    blocks->starting[line] = 1;
    if (behind < blocks->lines->count) {
        blocks->starting[behind] = 1;
    }
    return 1;
}

static int take_whole(Blocks *blocks, Py_ssize_t line, Py_ssize_t end) {
    if (add(&blocks->whole_starts, blocks->lines->starts[line]) < 0 || add(&blocks->whole_ends, end) < 0) {
        return FAILED;
    }
    take(blocks, line, end);
    mark(blocks, line, end);
    return 1;
}

static int numbered_title(Blocks *blocks, Py_ssize_t line) {
    const Text *text = &blocks->lines->text;
    Py_ssize_t first = blocks->lines->firsts[line];
    if (!is_title(text, first) || is_deep(blocks, line)) {
        return 0;
    }
    return add_title(blocks, line, line + 1, skip_sign(text, first, '#', DEEPEST_HEADING) - first);
}

/* A fence: its sign and how many there are. */
typedef struct {
    Py_UCS4 sign;
    Py_ssize_t count;
} Fence;

/* The fence that opens a code block at a place; of no signs if there is none. */
static Fence fence_at(const Text *text, Py_ssize_t first) {
    Py_UCS4 sign = code_at(text, first);
    if (sign != '`' && sign != '~') {
        return (Fence){0, 0};
    }
    Py_ssize_t behind = skip_sign(text, first, sign, text->length);
    int coded = 0;
    if (sign == '`') {
        Py_ssize_t end = find_in(text, '\n', behind, text->length);
        coded = find_in(text, '`', behind, end) < end;
    }
    return (Fence){sign, behind - first < 3 || coded ? 0 : behind - first};
}

/* Whether nothing but a fence that is as long is between a place and the line's end. */
static int is_closing(const Text *text, Py_ssize_t first, Fence fence) {
    Py_ssize_t behind = skip_sign(text, first, fence.sign, text->length);
    return behind - first >= fence.count && code_at(text, skip_blanks(text, behind)) == '\n';
}

/* Offset behind the code block that a line opens; inside of an item it ends with that. */
static Py_ssize_t fence_end(const Lines *lines, Py_ssize_t line, Fence fence, Py_ssize_t column) {
    for (Py_ssize_t following = line + 1; following < lines->count; following++) {
        if (lines->indents[following] < column) {
            return lines->starts[following];
        }
        if (lines->signs[following] == fence.sign && lines->indents[following] - column < CODE_COLUMNS
            && is_closing(&lines->text, lines->firsts[following], fence)) {
            return after(lines, following);
        }
    }
    return lines->text.length;
}

/* A code block between fences. */
static int fenced(Blocks *blocks, Py_ssize_t line) {
    const Lines *lines = blocks->lines;
    Fence fence = fence_at(&lines->text, lines->firsts[line]);
    Py_ssize_t column = fence.count && lines->indents[line] ? column_of(blocks, line) : 0;
    if (fence.count == 0 || lines->indents[line] - column >= CODE_COLUMNS) {
        return 0;
    }
    return take_whole(blocks, line, fence_end(lines, line, fence, column));
}

/* Offset behind the code block that a line of a quotation opens. */
static Py_ssize_t quoted_end(const Lines *lines, Py_ssize_t line, Fence fence) {
    for (Py_ssize_t following = line + 1; following < lines->count; following++) {
        if (lines->opens[following] || lines->signs[following] != '>') {
            return lines->starts[following];
        }
        Py_ssize_t first = skip_blanks(&lines->text, (Py_ssize_t)lines->firsts[following] + 1);
        if (is_closing(&lines->text, first, fence)) {
            return after(lines, following);
        }
    }
    return lines->text.length;
}

/* A code block that starts in the first line of a list item, or in a quotation. */
static int nested_fence(Blocks *blocks, Py_ssize_t line) {
    const Lines *lines = blocks->lines;
    const Text *text = &lines->text;
    Py_ssize_t first = lines->firsts[line];
    int quoted = code_at(text, first) == '>';
    Py_ssize_t marker = quoted ? first + 1 : behind_marker(text, first), at = marker;
    while (marker >= 0 && at < marker + (quoted ? 1 : 4) && is_blank(code_at(text, at))) {
        at++;
    }
    if (marker < 0 || (!quoted && at == marker)) {
        return 0;
    }
    Fence fence = fence_at(text, at);
    if (fence.count == 0) {
        return 0;
    }
    Py_ssize_t end = quoted ? quoted_end(lines, line, fence)
                            : fence_end(lines, line, fence, lines->indents[line] + at - first);
    return take_whole(blocks, line, end);
}

/* A heading over `===` or `---`. */
static int underline(Blocks *blocks, Py_ssize_t line) {
    const Lines *lines = blocks->lines;
    const Text *text = &lines->text;
    Py_ssize_t place = lines->firsts[line];
    Py_UCS4 sign = code_at(text, place);
    Py_ssize_t behind = skip_sign(text, place, sign, text->length);
    if (lines->indents[line] >= CODE_COLUMNS || code_at(text, skip_blanks(text, behind)) != '\n') {
        return 0;
    }
    Py_ssize_t first = paragraph_before(blocks, line);
    if (first < 0) {
        return 0;
    }
    take(blocks, first, after(lines, line));
    return add_title(blocks, first, line + 1, sign == '=' ? 1 : 2);
}

/* A table, an underline, or the first line of a list item that is a code block. */
static int dashes(Blocks *blocks, Py_ssize_t line) {
    int found = 0;
    if (!blocks->lines->opens[line]) {
        found = table(blocks, line);
        found = found == 0 ? underline(blocks, line) : found;
    }
    return found == 0 ? nested_fence(blocks, line) : found;
}

/* A formula of its own; Python looks for its end. */
static int formula(Blocks *blocks, Py_ssize_t line) {
    Py_ssize_t end = ask(blocks->formula, line, 0);
    return end < 0 ? (end == FAILED ? FAILED : 0) : take_whole(blocks, line, end);
}

/* Whether a line has the signs of a block in front, or of a code block near it. */
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
    for (Py_ssize_t place = first + 1; place <= first + FENCE_AWAY; place++) {
        Py_UCS4 sign = code_at(text, place);
        if (sign == '`' || sign == '~') {
            return 1;
        }
    }
    return 0;
}

/* Keep the block that a line opens, if it does; FAILED is an exception. */
static int look_at(Blocks *blocks, Py_ssize_t line) {
    const Lines *lines = blocks->lines;
    int (*found)(Blocks *, Py_ssize_t);
    switch (lines->signs[line]) {
    case '#':
        found = numbered_title;
        break;
    case '`':
    case '~':
        found = fenced;
        break;
    case '$':
    case '\\':
        found = formula;
        break;
    case '<':
        found = html;
        break;
    case '=':
        found = underline;
        break;
    case '|':
    case ':':
        found = table;
        break;
    case '-':
        found = dashes;
        break;
    case '*':
    case '+':
    case '>':
    case DIGITS:
        found = nested_fence;
        break;
    default:
        return 0;
    }
    return may_open(&lines->text, lines->firsts[line], lines->opens[line]) ? found(blocks, line) : 0;
}

/* Remember a line that starts an item, or that ends all lists before it. */
static int note(Blocks *blocks, Py_ssize_t line) {
    const Lines *lines = blocks->lines;
    if (lines->items[line]) {
        return add(&blocks->items, line);
    }
    unsigned char sign = lines->signs[line];
    int ends = lines->opens[line] || sign == '#' || sign == '`' || sign == '~';
    return ends && lines->indents[line] < 2 ? add(&blocks->closers, line) : 0;
}

static int find_blocks(Blocks *blocks) {
    const Lines *lines = blocks->lines;
    for (Py_ssize_t line = 0; line < lines->count; line++) {
        blocks->starting[line] = (char)(lines->opens[line] | lines->items[line]);
    }
    Py_ssize_t front = blocks->free;
    if (front > 0 && lines->count > 0 && take_whole(blocks, 0, front) < 0) {
        return FAILED;
    }
    for (Py_ssize_t line = 0; line < lines->count; line++) {
        if ((lines->starts[line] >= blocks->free && look_at(blocks, line) == FAILED)
            || note(blocks, line) < 0) {
            return FAILED;
        }
    }
    return 0;
}

#define KINDS_OF_NUMBERS 10

static PyObject *columns_of(Blocks *blocks, PyObject *starting) {
    Ints *kept[] = {
        &blocks->title_lines,  &blocks->title_behinds, &blocks->title_levels, &blocks->whole_starts,
        &blocks->whole_ends,   &blocks->table_starts,  &blocks->table_ends,   &blocks->table_bodies,
    };
    Py_ssize_t count = (Py_ssize_t)(sizeof kept / sizeof kept[0]);
    PyObject *found = PyTuple_New(count + 1);
    for (Py_ssize_t index = 0; found != NULL && index < count; index++) {
        PyObject *column = bytes_of(kept[index]);
        if (column == NULL) {
            Py_CLEAR(found);
        } else {
            PyTuple_SET_ITEM(found, index + 1, column);
        }
    }
    if (found != NULL) {
        PyTuple_SET_ITEM(found, 0, Py_NewRef(starting));
    }
    return found;
}

static void forget(Blocks *blocks) {
    Ints *all[KINDS_OF_NUMBERS] = {
        &blocks->items,        &blocks->closers,    &blocks->title_lines,  &blocks->title_behinds,
        &blocks->title_levels, &blocks->whole_starts, &blocks->whole_ends, &blocks->table_starts,
        &blocks->table_ends,   &blocks->table_bodies,
    };
    for (int index = 0; index < KINDS_OF_NUMBERS; index++) {
        PyMem_Free(all[index]->values);
    }
}

enum { STARTS, FIRSTS, INDENTS, SIGNS, OPENS, ITEMS, COLUMNS };

static int is_whole_table(const Py_buffer *columns, Py_ssize_t chars) {
    Py_ssize_t count = columns[SIGNS].len, wide = count * (Py_ssize_t)sizeof(int);
    return chars <= INT_MAX && columns[STARTS].len == wide && columns[FIRSTS].len == wide
        && columns[INDENTS].len == wide && columns[OPENS].len == count && columns[ITEMS].len == count;
}

PyObject *scan_blocks(PyObject *Py_UNUSED(module), PyObject *arguments) {
    PyObject *text, *found = NULL, *starting = NULL;
    Py_buffer columns[COLUMNS];
    Blocks blocks = {0};
    if (!PyArg_ParseTuple(
            arguments, "Uy*y*y*y*y*y*nO!O!OOO:blocks", &text, &columns[STARTS], &columns[FIRSTS],
            &columns[INDENTS], &columns[SIGNS], &columns[OPENS], &columns[ITEMS], &blocks.free,
            &PyFrozenSet_Type, &blocks.names, &PyFrozenSet_Type, &blocks.literals, &blocks.formula,
            &blocks.html, &blocks.ends_table
        )) {
        return NULL;
    }
    Lines lines = {
        text_of(text), columns[SIGNS].len, columns[STARTS].buf, columns[FIRSTS].buf, columns[INDENTS].buf,
        columns[SIGNS].buf, columns[OPENS].buf, columns[ITEMS].buf,
    };
    blocks.lines = &lines;
    if (!is_whole_table(columns, lines.text.length)) {
        PyErr_SetString(PyExc_ValueError, "blocks: expected columns of the same length, of a shorter text");
    } else {
        starting = PyBytes_FromStringAndSize(NULL, lines.count);
    }
    if (starting != NULL) {
        blocks.starting = PyBytes_AS_STRING(starting);
        found = find_blocks(&blocks) == FAILED ? NULL : columns_of(&blocks, starting);
    }
    Py_XDECREF(starting);
    forget(&blocks);
    for (int column = 0; column < COLUMNS; column++) {
        PyBuffer_Release(&columns[column]);
    }
    return found;
}
