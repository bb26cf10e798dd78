"""Leave out sphinx-thebe's start-up script.

Jupyter Book loads sphinx-thebe always. Its script declares a global twice on every page, which is an error in the
browser's console, and names a content delivery network. Nothing in this book runs code in the page.
"""


def _drop(app) -> None:
    listeners = app.events.listeners["env-before-read-docs"]
    listeners[:] = [item for item in listeners if getattr(item.handler, "__name__", "") != "init_thebe_core"]


def setup(app) -> dict:
    """Register with Sphinx."""
    app.connect("builder-inited", _drop)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
