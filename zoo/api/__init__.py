"""The commands as Python: `zoo.train`, `zoo.load_run`, and what a run can do."""
