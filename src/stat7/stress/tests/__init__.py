"""The tests of a run, one module each: `measure(context, stage, …)` returns a judged result."""
