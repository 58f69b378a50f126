/* The titles of headings that start with `#`, as `markdown.title_at` has them. */
#include "scan.h"

static int is_space(const Text *text, Py_ssize_t at) {
    return Py_UNICODE_ISSPACE(code_at(text, at));
}

/* What is between two places without white space around it. */
static PyObject *stripped(PyObject *string, const Text *text, Py_ssize_t start, Py_ssize_t end) {
    while (end > start && is_space(text, end - 1)) {
        end--;
    }
    while (start < end && is_space(text, start)) {
        start++;
    }
    return PyUnicode_Substring(string, start, end);
}

/* The title of a line without its `#`, and without those at its end if a blank is before them. */
static PyObject *title_of(PyObject *string, const Text *text, Py_ssize_t start, Py_ssize_t end) {
    while (end > start && is_space(text, end - 1)) {
        end--;
    }
    while (start < end && is_space(text, start)) {
        start++;
    }
    start = skip_sign(text, start, '#', end - start);
    Py_ssize_t bare = end;
    while (bare > start && code_at(text, bare - 1) == '#') {
        bare--;
    }
    return stripped(string, text, start, bare == start || is_blank(code_at(text, bare - 1)) ? bare : end);
}

PyObject *scan_titles(PyObject *Py_UNUSED(module), PyObject *arguments) {
    PyObject *string;
    Py_buffer buffer;
    if (!PyArg_ParseTuple(arguments, "Uy*:titles", &string, &buffer)) {
        return NULL;
    }
    Text text = text_of(string);
    Sorted starts = sorted_in(&buffer);
    PyObject *found = PyList_New(starts.count);
    for (Py_ssize_t index = 0; found != NULL && index < starts.count; index++) {
        Py_ssize_t start = starts.values[index], end = behind_line(&text, start);
        PyObject *title = start < 0 || start > end ? PyUnicode_New(0, 0) : title_of(string, &text, start, end);
        PyObject *pair = title == NULL ? NULL : Py_BuildValue("nN", end, title);
        if (pair == NULL) {
            Py_CLEAR(found);
        } else {
            PyList_SET_ITEM(found, index, pair);
        }
    }
    PyBuffer_Release(&buffer);
    return found;
}
