/* The hot loops of the search for near copies; `by_numpy.py` does the same without a compiler. */
#ifndef LOOPS_H
#define LOOPS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* MinHash values of a text: `sketches.LANES`. */
#define LANES 256

/* Further values by which the rows of a large bucket are ordered: `buckets.DEEP`. */
#define DEEP 16

/* Memory that is read soon. */
#if defined(__GNUC__)
#define AHEAD(place) __builtin_prefetch(place)
#else
#define AHEAD(place) ((void)(place))
#endif

/* Loops over lanes are worth being compiled for wider registers, too, where the loader can choose. */
#if defined(__x86_64__) && defined(__GNUC__) && defined(__gnu_linux__)
#define WIDE __attribute__((target_clones("avx2", "default")))
#else
#define WIDE
#endif

PyObject *loops_sketch(PyObject *module, PyObject *arguments);
PyObject *loops_keys(PyObject *module, PyObject *arguments);
PyObject *loops_band(PyObject *module, PyObject *arguments);
PyObject *loops_join(PyObject *module, PyObject *arguments);
PyObject *loops_match(PyObject *module, PyObject *arguments);

#endif
