/* What contents and lineages say, of which Postgres knows that they are JSON. */
#include "blocks.h"

/* A part of a text; `at` is NULL where there is none. */
typedef struct {
    const char *at, *end;
} Span;

static const char *past_blanks(const char *at, const char *end) {
    while (at < end && (*at == ' ' || *at == '\n' || *at == '\t' || *at == '\r')) {
        at++;
    }
    return at;
}

/* Past a string that begins at its quotation mark. */
static const char *past_string(const char *at, const char *end) {
    const char *quote = at;
    for (at++; at < end; at += 2) {
        if (at > quote) {
            quote = memchr(at, '"', end - at);
            quote = quote == NULL ? end : quote;
        }
        const char *escape = memchr(at, '\\', quote - at);
        if (escape == NULL) {
            return quote < end ? quote + 1 : end;
        }
        at = escape;
    }
    return end;
}

static const char *past_value(const char *at, const char *end) {
    int depth = 0;
    for (; at < end; at++) {
        if (*at == '"') {
            at = past_string(at, end) - 1;
        } else if (*at == '{' || *at == '[') {
            depth++;
        } else if (*at == '}' || *at == ']') {
            if (depth-- == 0) {
                return at;
            }
        } else if (*at == ',' && depth == 0) {
            return at;
        }
        if (depth == 0 && (*at == '}' || *at == ']' || *at == '"')) {
            return at + 1;
        }
    }
    return end;
}

/* The next member of an object, or the next value of an array where `name` is NULL; 0 at the end. */
static int next(const char **at, const char *end, Span *name, Span *value) {
    const char *here = past_blanks(*at, end);
    if (here < end && (*here == ',' || *here == '{' || *here == '[')) {
        here = past_blanks(here + 1, end);
    }
    if (here >= end || *here == '}' || *here == ']') {
        return 0;
    }
    if (name != NULL) {
        const char *behind = past_string(here, end);
        *name = (Span){here + 1, behind - 1};
        here = past_blanks(behind, end);
        here = past_blanks(here + (here < end), end);
    }
    *value = (Span){here, past_value(here, end)};
    *at = value->end;
    return value->end > here;
}

static int is(Span span, const char *word) {
    Py_ssize_t size = (Py_ssize_t)strlen(word);
    return span.at != NULL && span.end - span.at == size && memcmp(span.at, word, size) == 0;
}

/* The values of some members of an object. */
static void members(Span object, const char *const *names, int count, Span *values) {
    memset(values, 0, count * sizeof(Span));
    Span name, value;
    const char *at = object.at;
    while (at != NULL && next(&at, object.end, &name, &value)) {
        for (int each = 0; each < count; each++) {
            if (is(name, names[each])) {
                values[each] = value;
            }
        }
    }
}

static int is_string(Span value) {
    return value.at != NULL && value.end - value.at >= 2 && *value.at == '"';
}

static uint32_t hexadecimal(const char *at) {
    uint32_t number = 0;
    for (int digit = 0; digit < 4; digit++) {
        char letter = at[digit];
        number = number << 4 | (uint32_t)(letter <= '9' ? letter - '0' : (letter | 32) - 'a' + 10);
    }
    return number;
}

static int append_letter(Bytes *bytes, uint32_t letter) {
    unsigned char coded[4];
    int size = 0;
    if (letter < 0x80) {
        coded[size++] = (unsigned char)letter;
    } else if (letter < 0x800) {
        coded[size++] = (unsigned char)(0xC0 | letter >> 6);
        coded[size++] = (unsigned char)(0x80 | (letter & 63));
    } else if (letter < 0x10000) {
        coded[size++] = (unsigned char)(0xE0 | letter >> 12);
        coded[size++] = (unsigned char)(0x80 | (letter >> 6 & 63));
        coded[size++] = (unsigned char)(0x80 | (letter & 63));
    } else {
        coded[size++] = (unsigned char)(0xF0 | letter >> 18);
        coded[size++] = (unsigned char)(0x80 | (letter >> 12 & 63));
        coded[size++] = (unsigned char)(0x80 | (letter >> 6 & 63));
        coded[size++] = (unsigned char)(0x80 | (letter & 63));
    }
    return append(bytes, coded, size);
}

/* The letter of an escape of hexadecimal digits at its backslash; half a pair without the other becomes U+FFFD. */
static uint32_t escaped(const char **at, const char *end) {
    uint32_t letter = end - *at >= 6 ? hexadecimal(*at + 2) : 0xFFFD;
    *at += 6;
    if (letter < 0xD800 || letter > 0xDFFF) {
        return letter;
    }
    if (letter < 0xDC00 && end - *at >= 6 && (*at)[0] == '\\' && (*at)[1] == 'u') {
        uint32_t low = hexadecimal(*at + 2);
        if (low >= 0xDC00 && low <= 0xDFFF) {
            *at += 6;
            return 0x10000 + ((letter - 0xD800) << 10) + (low - 0xDC00);
        }
    }
    return 0xFFFD;
}

/* What a string says. */
static int append_string(Bytes *bytes, Span value) {
    static const char short_escapes[] = "b\bf\fn\nr\rt\t";
    if (!is_string(value)) {
        return 1;
    }
    const char *at = value.at + 1, *end = value.end - 1;
    while (at < end) {
        const char *escape = memchr(at, '\\', end - at);
        const char *plain = escape == NULL ? end : escape;
        if (!append(bytes, at, plain - at)) {
            return 0;
        }
        at = plain;
        if (at + 1 >= end) {
            break;
        }
        if (at[1] == 'u') {
            if (!append_letter(bytes, escaped(&at, end))) {
                return 0;
            }
            continue;
        }
        char letter = at[1];
        for (int each = 0; each < 10; each += 2) {
            letter = at[1] == short_escapes[each] ? short_escapes[each + 1] : letter;
        }
        if (!append(bytes, &letter, 1)) {
            return 0;
        }
        at += 2;
    }
    return 1;
}

/* What is asked: what the user says, or all that is said where the user says nothing. */
static int append_asked(Bytes *bytes, Span messages) {
    static const char *const names[] = {"role", "content"};
    for (int all = 0; all < 2; all++) {
        Span message, values[2];
        const char *at = messages.at;
        int found = 0;
        while (at != NULL && next(&at, messages.end, NULL, &message)) {
            members(message, names, 2, values);
            if (!all && !is(values[0], "\"user\"")) {
                continue;
            }
            if ((found++ && !append(bytes, "\n", 1)) || !append_string(bytes, values[1])) {
                return 0;
            }
        }
        if (found) {
            break;
        }
    }
    return 1;
}

static uint64_t mixed(uint64_t x) {
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static uint64_t hashed(uint64_t hash, Span span) {
    const char *at = span.at;
    for (; at != NULL && span.end - at >= 8; at += 8) {
        uint64_t word;
        memcpy(&word, at, 8);
        hash = mixed(hash ^ word) + UINT64_C(0x9E3779B97F4A7C15);
    }
    uint64_t rest = 0;
    if (at != NULL) {
        memcpy(&rest, at, span.end - at);
    }
    return mixed(hash ^ rest ^ (uint64_t)(span.end - span.at) << 56);
}

/* A number, not negative, for the fact that an example is about; -1 where none is known. */
static int64_t fact_of(Span fact_id, Span quotes) {
    static const char *const names[] = {"document_id", "document_version", "start", "end", "chunk_id", "text"};
    if (is_string(fact_id) && fact_id.end - fact_id.at > 2) {
        return (int64_t)(hashed(1, fact_id) >> 1);
    }
    Span quote, values[6];
    const char *at = quotes.at;
    if (at == NULL || !next(&at, quotes.end, NULL, &quote)) {
        return -1;
    }
    members(quote, names, 6, values);
    int placed = values[3].at != NULL && !is(values[3], "0");
    uint64_t hash = placed ? 2 : 3;
    for (int each = placed ? 0 : 4; each < (placed ? 4 : 6); each++) {
        hash = hashed(hash, values[each]);
    }
    return (int64_t)(hash >> 1);
}

/* What is found of a block. */
typedef struct {
    Bytes asked, asked_ends, plain, facts, imports, import_ends, chunks, chunk_ends;
} Found;

static int end_here(Bytes *ends, const Bytes *data) {
    int32_t end = (int32_t)data->size;
    return data->size <= INT32_MAX && append(ends, &end, sizeof end);
}

static int study_row(Found *found, Span content, Span lineage) {
    static const char *const said[] = {"messages", "quotes"};
    static const char *const known[] = {"fact_id", "import_id", "chunk_ids", "import_row"};
    Span parts[2], sources[4];
    members(content, said, 2, parts);
    members(lineage, known, 4, sources);
    if (sources[3].at == NULL || is(sources[3], "0")) {
        /* What came with an import of generations is theirs. */
        sources[1].at = sources[1].end = NULL;
    }
    Py_ssize_t start = found->asked.size;
    if (!append_asked(&found->asked, parts[0])) {
        return 0;
    }
    char plain = (char)normalise(&found->asked, start);
    int64_t fact = fact_of(sources[0], parts[1]);
    return append(&found->plain, &plain, 1) && append(&found->facts, &fact, sizeof fact) &&
           append_string(&found->imports, sources[1]) &&
           (sources[2].at == NULL || append(&found->chunks, sources[2].at, sources[2].end - sources[2].at)) &&
           end_here(&found->asked_ends, &found->asked) && end_here(&found->import_ends, &found->imports) &&
           end_here(&found->chunk_ends, &found->chunks);
}

static int study(Found *found, const int32_t *contents, const char *content, const int32_t *lineages,
                 const char *lineage, Py_ssize_t count) {
    int fine = end_here(&found->asked_ends, &found->asked) && end_here(&found->import_ends, &found->imports) &&
               end_here(&found->chunk_ends, &found->chunks);
    for (Py_ssize_t row = 0; fine && row < count; row++) {
        fine = study_row(
            found, (Span){content + contents[row], content + contents[row + 1]},
            (Span){lineage + lineages[row], lineage + lineages[row + 1]}
        );
    }
    return fine;
}

static int fits(const Py_buffer *ends, const Py_buffer *data, Py_ssize_t count) {
    const int32_t *places = ends->buf;
    if (ends->len != (count + 1) * 4 || places[0] < 0 || places[count] > data->len) {
        return 0;
    }
    for (Py_ssize_t row = 0; row < count; row++) {
        if (places[row] > places[row + 1]) {
            return 0;
        }
    }
    return 1;
}

PyObject *blocks_study(PyObject *Py_UNUSED(module), PyObject *arguments) {
    Py_buffer contents, content, lineages, lineage;
    if (!PyArg_ParseTuple(arguments, "y*y*y*y*:study", &contents, &content, &lineages, &lineage)) {
        return NULL;
    }
    Found found = {{0}};
    PyObject *made = NULL;
    Py_ssize_t count = contents.len / 4 - 1;
    if (count < 0 || !fits(&contents, &content, count) || !fits(&lineages, &lineage, count)) {
        PyErr_SetString(PyExc_ValueError, "study: columns of different lengths");
    } else {
        int fine;
        Py_BEGIN_ALLOW_THREADS
        fine = study(&found, contents.buf, content.buf, lineages.buf, lineage.buf, count);
        Py_END_ALLOW_THREADS
        made = !fine ? PyErr_NoMemory()
                     : Py_BuildValue(
                           "y#y#y#y#y#y#y#y#", BUILT(found.asked_ends), BUILT(found.asked), BUILT(found.plain),
                           BUILT(found.facts), BUILT(found.import_ends), BUILT(found.imports),
                           BUILT(found.chunk_ends), BUILT(found.chunks)
                       );
    }
    Bytes *all[] = {&found.asked,   &found.asked_ends,  &found.plain,  &found.facts,
                    &found.imports, &found.import_ends, &found.chunks, &found.chunk_ends};
    for (size_t each = 0; each < sizeof all / sizeof *all; each++) {
        free(all[each]->data);
    }
    PyBuffer_Release(&contents);
    PyBuffer_Release(&content);
    PyBuffer_Release(&lineages);
    PyBuffer_Release(&lineage);
    return made;
}
