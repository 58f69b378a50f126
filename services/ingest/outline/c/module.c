/* The module `scan`. */
#include "scan.h"

/* Of what is called from Python; `native.py` wants the same. */
#define VERSION 3

/* The code points of a text where they lie, as a buffer. */
typedef struct {
    PyObject_HEAD
    PyObject *text;
} Codes;

static int codes_buffer(PyObject *self, Py_buffer *view, int flags) {
    PyObject *text = ((Codes *)self)->text;
    return PyBuffer_FillInfo(
        view, self, PyUnicode_DATA(text), PyUnicode_GET_LENGTH(text) * PyUnicode_KIND(text), 1, flags
    );
}

static void codes_dealloc(PyObject *self) {
    Py_DECREF(((Codes *)self)->text);
    PyObject_Free(self);
}

static PyBufferProcs codes_as_buffer = {.bf_getbuffer = codes_buffer};

static PyTypeObject CodesType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "services.ingest.outline.scan.Codes",
    .tp_basicsize = sizeof(Codes),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_dealloc = codes_dealloc,
    .tp_as_buffer = &codes_as_buffer,
};

static PyObject *codes(PyObject *Py_UNUSED(module), PyObject *text) {
    if (!PyUnicode_Check(text)) {
        return PyErr_Format(PyExc_TypeError, "codes: expected a text");
    }
    Codes *found = PyObject_New(Codes, &CodesType);
    if (found == NULL) {
        return NULL;
    }
    found->text = Py_NewRef(text);
    return (PyObject *)found;
}

static PyMethodDef METHODS[] = {
    {"items", scan_items, METH_VARARGS, "Which lines start an item of a list, as bytes."},
    {"blocks", scan_blocks, METH_VARARGS, "The layout of a Markdown text, as columns of bytes."},
    {"titles", scan_titles, METH_VARARGS, "For lines that are headings, where each ends and its title."},
    {"tenths", scan_tenths, METH_VARARGS, "Tenths of tokens that start before places, as bytes."},
    {"cuts", scan_cuts, METH_VARARGS, "Where the chunks of a part of a text end, as bytes."},
    {"least_place", scan_least_place, METH_VARARGS, "Number of the place with the least hash."},
    {"least_sign", (PyCFunction)(void (*)(void))scan_least_sign, METH_FASTCALL, "The one of least rank."},
    {"lines", scan_lines, METH_O, "The lines of a text that are not blank, as columns of bytes."},
    {"codes", codes, METH_O, "A buffer of the code points of a text, not copied."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef MODULE = {
    PyModuleDef_HEAD_INIT,
    .m_name = "scan",
    .m_doc = "Lines, blocks and cuts of texts, natively.",
    .m_size = 0,
    .m_methods = METHODS,
};

PyMODINIT_FUNC PyInit_scan(void) {
    make_tables();
    PyObject *module = PyType_Ready(&CodesType) < 0 ? NULL : PyModule_Create(&MODULE);
    if (module != NULL && PyModule_AddIntConstant(module, "VERSION", VERSION) < 0) {
        Py_CLEAR(module);
    }
    return module;
}
