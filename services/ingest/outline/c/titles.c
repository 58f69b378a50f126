/* The titles of headings that start with `#`, as `markdown.title_at` has them. */
#include "scan.h"

#define LONGEST_TITLE 200

static int is_space(const Text *text, Py_ssize_t at) {
    return Py_UNICODE_ISSPACE(code_at(text, at));
}

/* What is between two places without white space around it, or the start of that if it is long. */
static PyObject *stripped(PyObject *string, const Text *text, Py_ssize_t start, Py_ssize_t end) {
    while (end > start && is_space(text, end - 1)) {
        end--;
    }
    while (start < end && is_space(text, start)) {
        start++;
    }
    if (end - start > LONGEST_TITLE) {
        end = start + LONGEST_TITLE;
        while (end > start && is_space(text, end - 1)) {
            end--;
        }
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

/* Fill in where each heading ends, and its title. */
static int find_titles(PyObject *string, Sorted starts, int *ends, PyObject *titles) {
    Text text = text_of(string);
    for (Py_ssize_t index = 0; index < starts.count; index++) {
        Py_ssize_t start = starts.values[index], end = behind_line(&text, start);
        start = start < 0 ? 0 : (start < end ? start : end);
        PyObject *title = title_of(string, &text, start, end);
        if (title == NULL) {
            return FAILED;
        }
        ends[index] = (int)end;
        PyList_SET_ITEM(titles, index, title);
    }
    return 0;
}

PyObject *scan_titles(PyObject *Py_UNUSED(module), PyObject *arguments) {
    PyObject *string, *found = NULL;
    Py_buffer buffer;
    if (!PyArg_ParseTuple(arguments, "Uy*:titles", &string, &buffer)) {
        return NULL;
    }
    Sorted starts = sorted_in(&buffer);
    PyObject *ends = PyBytes_FromStringAndSize(NULL, starts.count * (Py_ssize_t)sizeof(int));
    PyObject *titles = PyList_New(starts.count);
    if (ends != NULL && titles != NULL
        && find_titles(string, starts, (int *)PyBytes_AS_STRING(ends), titles) == 0) {
        found = PyTuple_Pack(2, ends, titles);
    }
    Py_XDECREF(ends);
    Py_XDECREF(titles);
    PyBuffer_Release(&buffer);
    return found;
}
