/* The module `blocks`. */
#include "blocks.h"

/* Of what is called from Python; `native.py` wants the same. */
#define VERSION 3

static PyMethodDef METHODS[] = {
    {"split", blocks_split, METH_VARARGS, "Rows of COPY BINARY as columns of Arrow."},
    {"study", blocks_study, METH_VARARGS, "What contents and lineages say, as columns of Arrow."},
    {"pick", blocks_pick, METH_VARARGS, "Units that leave train."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef MODULE = {
    PyModuleDef_HEAD_INIT,
    .m_name = "blocks",
    .m_doc = "Reads rows that Postgres copies out, and picks units, natively.",
    .m_size = 0,
    .m_methods = METHODS,
};

PyMODINIT_FUNC PyInit_blocks(void) {
    PyObject *module = PyModule_Create(&MODULE);
    if (module != NULL && PyModule_AddIntConstant(module, "VERSION", VERSION) < 0) {
        Py_CLEAR(module);
    }
    return module;
}
