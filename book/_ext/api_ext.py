"""The directive `{api} module ...`: the public functions and classes of a module, from signatures and docstrings.

Docstrings are read as the Markdown they are written in, so that backticks mean code and [b, 3, h, w] means itself.
Only what has a docstring and no leading underscore is shown; the order is that of the source.
"""

import importlib
import inspect

from sphinx.util.docutils import SphinxDirective


def _signature(thing) -> str:
    """Parameters with their defaults; types stand in the docstring, as shapes and ranges."""
    try:
        signature = inspect.signature(thing)
    except (TypeError, ValueError):
        return ""
    plain = [p.replace(annotation=inspect.Parameter.empty) for p in signature.parameters.values()]
    return str(signature.replace(parameters=plain, return_annotation=inspect.Signature.empty))


def _line(thing) -> int:
    return inspect.getsourcelines(inspect.unwrap(thing))[1]


def _members(module) -> list:
    own = [
        thing
        for name, thing in vars(module).items()
        if not name.startswith("_") and (inspect.isfunction(inspect.unwrap(thing)) or inspect.isclass(thing))
        if thing.__module__ == module.__name__ and thing.__doc__
    ]
    return sorted(own, key=_line)


def _methods(thing) -> list:
    return [
        (name, getattr(member, "__func__", member))
        for name, member in vars(thing).items()
        if not name.startswith("_") and (inspect.isfunction(member) or isinstance(member, classmethod | staticmethod))
        if getattr(member, "__func__", member).__doc__  # what only overrides is described where it is first
    ]


def _entry(kind: str, name: str, thing, inner: str = "", colons: int = 4) -> str:
    doc = inspect.cleandoc(thing.__doc__)
    fence = ":" * colons
    return f"{fence}{{py:{kind}}} {name}{_signature(thing)}\n{doc}\n\n{inner}{fence}\n\n"


def describe(module) -> str:
    """The MyST source that documents `module`."""
    text = f"{inspect.cleandoc(module.__doc__ or '')}\n\n```{{py:module}} {module.__name__}\n```\n\n"
    for thing in _members(module):
        if inspect.isclass(thing):
            methods = "".join(_entry("method", name, member) for name, member in _methods(thing))
            text += _entry("class", thing.__name__, thing, methods, colons=5)
        else:
            text += _entry("function", thing.__name__, thing)
    return text


class Api(SphinxDirective):
    """`{api} colorize_lib.color` describes one module."""

    required_arguments = 1

    def run(self) -> list:
        """Return the nodes of the module's description."""
        module = importlib.import_module(self.arguments[0])
        self.env.note_dependency(module.__file__)
        return self.parse_text_to_nodes(describe(module), allow_section_headings=False)


def setup(app) -> dict:
    """Register with Sphinx."""
    app.add_directive("api", Api)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
