"""Fills the templates of pages."""

import pathlib

import jinja2


def environment(folder: pathlib.Path) -> jinja2.Environment:
    """Reads the templates of a folder; what is missing in a template is an error."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # A browser would refuse the data as a whole.
    made.policies["json.dumps_kwargs"] = {"allow_nan": False}
    return made
