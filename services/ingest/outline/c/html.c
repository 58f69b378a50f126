/* HTML blocks of Markdown, inside which there are no headings. */
#include "scan.h"

#define LONGEST_NAME 16
#define NONE (-1)
/* Python is to look at it: rare signs, and code up to a closing tag. */
#define ASK (-3)

static int starts_with(const Text *text, Py_ssize_t at, const char *signs) {
    for (; *signs != '\0'; signs++, at++) {
        if (code_at(text, at) != (Py_UCS4)*signs) {
            return 0;
        }
    }
    return 1;
}

/* Offset of the line behind some signs, from a place on; the end of the text if they are nowhere. */
static Py_ssize_t line_behind(const Text *text, Py_ssize_t at, const char *signs) {
    Py_UCS4 last = (Py_UCS4)signs[strlen(signs) - 1];
    Py_ssize_t before = (Py_ssize_t)strlen(signs) - 1;
    for (at += before; (at = find_in(text, last, at, text->length)) < text->length; at++) {
        if (starts_with(text, at - before, signs)) {
            return behind_line(text, at + 1);
        }
    }
    return text->length;
}

/* Offset behind a comment, an instruction, a declaration or CDATA. */
static Py_ssize_t special_end(const Text *text, Py_ssize_t first) {
    Py_UCS4 third = code_at(text, first + 2);
    if (starts_with(text, first, "<!--")) {
        return line_behind(text, first, "-->");
    }
    if (starts_with(text, first, "<?")) {
        return line_behind(text, first, "?>");
    }
    if (starts_with(text, first, "<!") && third >= 'A' && third <= 'Z') {
        return line_behind(text, first, ">");
    }
    return starts_with(text, first, "<![CDATA[") ? line_behind(text, first, "]]>") : NONE;
}

static Py_ssize_t skip_spaces(const Text *text, Py_ssize_t at) {
    while (at < text->length && Py_UNICODE_ISSPACE(code_at(text, at))) {
        at++;
    }
    return at;
}

static int is_name_start(Py_UCS4 code) {
    return is_letter(code) || code == '_' || code == ':';
}

/* Behind the value of an attribute; NONE without one. */
static Py_ssize_t behind_value(const Text *text, Py_ssize_t at) {
    Py_UCS4 quote = code_at(text, at);
    if (quote == '"' || quote == '\'') {
        Py_ssize_t end = find_in(text, quote, at + 1, text->length);
        return end < text->length ? end + 1 : NONE;
    }
    Py_ssize_t first = at;
    for (Py_UCS4 code = quote; code > ' ' && strchr("\"'=<>`", (int)(code < NO_SIGN ? code : '-')) == NULL;) {
        if (code >= NO_SIGN && Py_UNICODE_ISSPACE(code)) {
            return ASK;
        }
        code = code_at(text, ++at);
    }
    return at > first ? at : NONE;
}

/* Behind an attribute with the white space before it; NONE without one. */
static Py_ssize_t behind_attribute(const Text *text, Py_ssize_t at) {
    Py_ssize_t behind = skip_spaces(text, at);
    if (behind == at || !is_name_start(code_at(text, behind))) {
        return NONE;
    }
    Py_UCS4 code = code_at(text, behind);
    while (is_name_start(code) || is_digit(code) || code == '.' || code == '-') {
        code = code_at(text, ++behind);
    }
    Py_ssize_t sign = skip_spaces(text, behind);
    Py_ssize_t value = code_at(text, sign) == '=' ? behind_value(text, skip_spaces(text, sign + 1)) : NONE;
    return value == NONE ? behind : value;
}

/* Behind an opening or closing tag; NONE or ASK. */
static Py_ssize_t behind_tag(const Text *text, Py_ssize_t first) {
    int closing = code_at(text, first + 1) == '/';
    Py_ssize_t at = first + 1 + closing, next;
    if (!is_letter(code_at(text, at))) {
        return NONE;
    }
    while (is_letter(code_at(text, at)) || is_digit(code_at(text, at)) || code_at(text, at) == '-') {
        at++;
    }
    while (!closing && (next = behind_attribute(text, at)) != NONE) {
        if (next == ASK) {
            return ASK;
        }
        at = next;
    }
    at = skip_spaces(text, at);
    at += !closing && code_at(text, at) == '/';
    return code_at(text, at) == '>' ? at + 1 : NONE;
}

/* The name of a tag that is one of HTML, in small letters; its length, or 0 if there is none. */
static Py_ssize_t tag_name(const Text *text, Py_ssize_t first, char *name) {
    Py_ssize_t start = first + 1 + (code_at(text, first + 1) == '/'), length = 0;
    Py_UCS4 code = code_at(text, start);
    if (!is_letter(code)) {
        return 0;
    }
    for (; is_letter(code) || is_digit(code); code = code_at(text, start + length)) {
        if (length < LONGEST_NAME) {
            name[length] = (char)(is_letter(code) ? code | 0x20 : code);
        }
        length++;
    }
    int ends = code == '>' || Py_UNICODE_ISSPACE(code)
        || (code == '/' && code_at(text, start + length + 1) == '>');
    return ends ? length : 0;
}

/* Whether a name is one of some; FAILED is an exception. */
static int is_one(PyObject *names, const char *name, Py_ssize_t length) {
    if (length > LONGEST_NAME) {
        return 0;
    }
    PyObject *key = PyUnicode_FromStringAndSize(name, length);
    int found = key == NULL ? -1 : PySet_Contains(names, key);
    Py_XDECREF(key);
    return found < 0 ? FAILED : found;
}

/* Offset of the first line behind a blank line behind a line. */
static Py_ssize_t blank_after(const Lines *lines, Py_ssize_t line) {
    for (line++; line < lines->count; line++) {
        if (lines->opens[line]) {
            return lines->starts[line];
        }
    }
    return lines->text.length;
}

/* Offset behind the block that a line opens; NONE, ASK or FAILED. */
static Py_ssize_t html_end(const Blocks *blocks, Py_ssize_t line) {
    const Text *text = &blocks->lines->text;
    Py_ssize_t first = blocks->lines->firsts[line];
    char name[LONGEST_NAME];
    Py_ssize_t length = tag_name(text, first, name);
    if (length == 0) {
        Py_ssize_t end = special_end(text, first);
        if (end != NONE) {
            return end;
        }
    } else {
        int closes = code_at(text, first + 1) == '/', empty = code_at(text, first + 1 + length) == '/';
        int literal = closes || empty ? 0 : is_one(blocks->literals, name, length);
        if (literal) {
            return literal == FAILED ? FAILED : ASK;
        }
        int known = is_one(blocks->names, name, length);
        if (known) {
            return known == FAILED ? FAILED : blank_after(blocks->lines, line);
        }
    }
    Py_ssize_t behind = behind_tag(text, first);
    if (behind < 0) {
        return behind;
    }
    int alone = code_at(text, skip_blanks(text, behind)) == '\n';
    return alone && open_paragraph(blocks, line) == -1 ? blank_after(blocks->lines, line) : NONE;
}

int html(Blocks *blocks, Py_ssize_t line) {
    if (is_deep(blocks, line)) {
        return 0;
    }
    Py_ssize_t end = html_end(blocks, line);
    if (end == ASK) {
        end = ask(blocks->html, line, blocks->free);
    }
    if (end == FAILED) {
        return FAILED;
    }
    if (end >= 0) {
        take(blocks, line, end);
    }
    return end >= 0;
}
