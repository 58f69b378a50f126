/* The module `loops`. */
#include "loops.h"

/* Of what is called from Python; `native.py` wants the same. */
#define VERSION 3

static PyMethodDef METHODS[] = {
    {"sketch", loops_sketch, METH_VARARGS, "3-grams and MinHash values of texts, as columns of bytes."},
    {"keys", loops_keys, METH_VARARGS, "Numbers of the buckets of rows in some bands."},
    {"band", loops_band, METH_VARARGS, "The buckets of a band, as columns of bytes."},
    {"join", loops_join, METH_VARARGS, "Join the groups of rows that are alike, bucket by bucket."},
    {"match", loops_match, METH_VARARGS, "Mark the rows that are like a kept one, bucket by bucket."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef MODULE = {
    PyModuleDef_HEAD_INIT,
    .m_name = "loops",
    .m_doc = "The hot loops of the search for near copies, natively.",
    .m_size = 0,
    .m_methods = METHODS,
};

PyMODINIT_FUNC PyInit_loops(void) {
    PyObject *module = PyModule_Create(&MODULE);
    if (module != NULL && PyModule_AddIntConstant(module, "VERSION", VERSION) < 0) {
        Py_CLEAR(module);
    }
    return module;
}
