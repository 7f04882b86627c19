"""Sphinx's configuration of the documentation site. gather.py has made the sources beside this file."""
import os, re, sys

from docutils import nodes
from sphinx.errors import ConfigError
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.nodes import make_refnode

HERE = os.path.dirname(os.path.abspath(__file__))

project = "proc_connector"
extensions = ["myst_parser"]
if os.path.exists(HERE + "/package"):
    sys.path[:0] = [HERE, HERE + "/package"]
    try:
        import proc_connector
    except ImportError as error:
        raise ConfigError("%s, which runs Sphinx, cannot import the Python package: %s (Debian: python3-cffi)"
                          % (sys.executable, error)) from None
    extensions.append("docstrings")
autodoc_default_options = {"members": True, "member-order": "bysource", "show-inheritance": True}
autodoc_typehints_format = "short"
add_module_names = False
toc_object_entries_show_parents = "hide"
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 4
# The crate's documentation, which rustdoc has made.
exclude_patterns = ["extra"]
html_extra_path = ["extra"]
nitpicky = True
# Types of C's own headers and of Python's library. A Descriptor is an int, or has fileno().
nitpick_ignore = [("c:identifier", name) for name in
                  "int32_t uint8_t uint32_t uint64_t size_t pid_t uid_t gid_t".split()] + [
    ("py:class", name) for name in "enum.IntEnum enum.IntFlag os.PathLike socket.socket Descriptor".split()]
# A file of the repository may be in a language that only resembles the one it is shown in.
suppress_warnings = ["misc.highlighting_failure"]
smartquotes = False
highlight_language = "none"

html_theme = "furo"
html_title = "proc_connector"
html_static_path = ["style.css"]
html_css_files = ["style.css"]
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False
# Debian 12's Furo lacks the dark colours and the style sheet that resets margins (style.css has what it needs).
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#1f5fa8", "color-brand-content": "#1f5fa8", "color-problematic": "#8a2c0d"},
    "dark_css_variables": {
        "color-brand-primary": "#79b8ff", "color-brand-content": "#79b8ff", "color-problematic": "#ffab70",
        "color-foreground-primary": "#dfe2e6", "color-foreground-secondary": "#a4a9b0",
        "color-foreground-muted": "#8d939b", "color-foreground-border": "#666",
        "color-background-primary": "#15171a", "color-background-secondary": "#1c1f23",
        "color-background-hover": "#24282d", "color-background-hover--transparent": "#24282d00",
        "color-background-border": "#33373d", "color-background-item": "#444",
        "color-highlighted-background": "#083563", "color-highlight-on-target": "#33330a",
        "color-api-keyword": "#a4a9b0", "color-code-background": "#1c1f23", "color-code-foreground": "#dfe2e6",
    },
}
pygments_style = "friendly"
pygments_dark_style = "monokai"


class Names(SphinxPostTransform):
    """Links each name in code that a reference has, such as pc_open(), to its place there. The pages about Python have names
    of the Python package instead: Table, or command() if no other class has it, or table.command(process)."""
    default_priority = 20

    def run(self):
        names, python = {}, self.env.docname in ("python", "python-reference")
        if python:
            names = self.python_names()
        for name, _, _, document, anchor, _ in [] if python else self.env.get_domain("c").get_objects():
            names[name] = (document, anchor)
            # Enumerators are known by their own names.
            names.setdefault(name.split(".")[-1], (document, anchor)) if name.split(".")[-1].startswith("PC_") else None
        for literal in list(self.document.traverse(nodes.literal)):
            if isinstance(literal.parent, nodes.reference) or literal.parent.__class__.__name__.startswith("desc_"):
                continue
            if any(isinstance(parent, nodes.title) for parent in ancestors(literal)):
                continue
            name = re.sub(r"\(.*\)$|^(struct|enum|union) ", "", literal.astext())
            outer = list(enclosing_ids(literal))
            if python:
                # A class's own names come first. In table.command(), the variable has the name of its class.
                inner = [place + "." + name for place in outer if place + "." + name in names]
                name = (inner + [name[:1].upper() + name[1:] if "." in name else name])[0]
            if name not in names or self.env.docname.startswith("files/"):
                continue
            document, anchor = names[name]
            if document == self.env.docname and anchor in outer:
                continue
            link = make_refnode(self.app.builder, self.env.docname, document, anchor, literal.deepcopy(), name)
            literal.replace_self(link)

    def python_names(self):
        """Each name of the Python package: in full, and shorter if only one name ends so."""
        full = {name: (document, anchor) for name, _, kind, document, anchor, priority
                in self.env.get_domain("py").get_objects() if kind != "module" and priority >= 0}
        names, several = {}, set()
        for name, place in full.items():
            parts = name.split(".")
            for at in range(1, len(parts)):
                short = ".".join(parts[at:])
                several.update([short] if short in names else [])
                names[short] = place
        return {**{name: place for name, place in names.items() if name not in several}, **full}


def ancestors(node):
    while node.parent is not None:
        node = node.parent
        yield node


def enclosing_ids(node):
    for parent in ancestors(node):
        if parent.__class__.__name__ == "desc":
            for signature in parent.children:
                if signature.__class__.__name__ == "desc_signature":
                    yield from signature["ids"]


def setup(app):
    app.add_post_transform(Names)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
