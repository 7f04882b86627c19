"""An extension of Sphinx: has autodoc make the Python reference of docstrings that are plain text.

In a docstring, indented lines are code, and "name:  text" describes a parameter, or a field or member of the class.
"""
import ast, enum, inspect, re, textwrap

from docutils import nodes
from sphinx.pycode import ModuleAnalyzer
from sphinx.util.inspect import stringify_signature

import comments
import proc_connector

PUBLIC = {name: getattr(proc_connector, name) for name in proc_connector.__all__}
MEMBERS = {name for thing in PUBLIC.values() if isinstance(thing, enum.EnumMeta) for name in thing.__members__}

# What is set as code in a sentence: what is in backquotes, calls, names with a dot or an underscore, files of /proc,
# errors, and names of the package. A capital letter in the middle of a sentence begins the name of a class.
NAMES = re.compile(r"(`[^`]+`|(?<![\w/.'])(?:\w+(?:\.\w+)*\([^\s()]*\)|[A-Za-z]\w+(?:\.[A-Za-z]\w+)+|\w*[A-Za-z]_\w+|__\w+__"
                   r"|/proc(?:/\w+)*|(?:E[A-Z0-9]{2,}|SIG[A-Z]+|None|True|False|%s)\b|[A-Z][a-z]+[A-Z]\w+|(?<=[Aa-z,] )(?:%s)\b))"
                   % ("|".join(MEMBERS), "|".join(name for name in PUBLIC if name[0].isupper())))
ENTRY = re.compile(r"(\w+): {2,}(\S.*)$")


def fields(thing):
    """Yields the name, the type and the value of each field of a class, or of each member of an enum."""
    if issubclass(thing, enum.Enum):
        for name, member in thing.__members__.items():
            yield name, None, ("%#x" if issubclass(thing, enum.Flag) else "%d") % member
        return
    for node in ast.parse(textwrap.dedent(inspect.getsource(thing))).body[0].body:
        if isinstance(node, ast.AnnAssign) and not node.target.id.startswith("_"):
            kind = re.sub(r"Optional\[(\w+)\]", r"\1 | None", ast.unparse(node.annotation))
            yield node.target.id, kind, node.value and ast.unparse(node.value)


def text(lines, thing):
    """The lines of a docstring as reStructuredText."""
    members = list(fields(thing)) if inspect.isclass(thing) else []
    result, about, plain, number = [], {}, [], 0

    def end():
        nonlocal plain
        if any(plain):
            result.extend(["", *comments.text(plain, NAMES, "python"), ""])
        plain = []
    while number < len(lines):
        line, entry = lines[number], ENTRY.match(lines[number])
        number += 1
        if entry:
            name, words = entry.groups()
            while number < len(lines) and re.match(r" +\S", lines[number]):
                words += " " + lines[number].strip()
                number += 1
            if name in [member[0] for member in members]:
                about[name] = comments.inline(words, NAMES)
            else:
                end()
                result.append(":param %s: %s" % (name, comments.inline(words, NAMES)))
        elif line.startswith(">>> "):
            end()
            result += ["", ".. code-block:: pycon", "", "   " + line]
            while number < len(lines) and lines[number].strip():
                result.append("   " + lines[number])
                number += 1
            result.append("")
        else:
            plain.append(line)
    end()
    for name, kind, value in members:
        result += ["", ".. py:attribute:: " + name, "   :nocontentsentry:"]
        result += ["   :%s: %s" % option for option in (("type", kind), ("value", value)) if option[1]]
        result += ["", "   " + about.get(name, ""), ""]
    return result


def process_docstring(app, what, name, thing, options, lines):
    """Sets a docstring as reStructuredText. That of a name for a type stands behind the name, where help() lacks it."""
    if what == "data":
        lines[:] = ModuleAnalyzer.for_module(thing.__args__[0].__module__).find_attr_docs()["", name.split(".")[-1]]
    lines[:] = text(lines, thing)


def process_signature(app, what, name, thing, options, arguments, returns):
    """Writes types as the source has them, and none for a class that its fields or members describe."""
    if arguments is None or not callable(thing):
        return None
    if inspect.isclass(thing) and issubclass(thing, (enum.Enum, tuple, Exception)):
        return "", ""

    def linked(annotation):
        return annotation if annotation is inspect.Signature.empty else re.sub(
            r"(?<![\w.])(%s)\b" % "|".join(PUBLIC), r"~proc_connector.\1", annotation)
    signature = inspect.signature(thing)
    parameters = [parameter.replace(annotation=linked(parameter.annotation))
                  for parameter in signature.parameters.values() if parameter.name != "self"]
    returns = inspect.Signature.empty if inspect.isclass(thing) else linked(signature.return_annotation)
    return stringify_signature(signature.replace(parameters=parameters, return_annotation=returns)), ""


def skip_member(app, what, name, thing, skip, options):
    """The fields of a tuple are described by the docstring of its class."""
    return True if type(thing).__name__ == "_tuplegetter" else None


def resolve_data(app, environment, node, content):
    """Links a type that is a name for several classes, which Sphinx does not take for a class."""
    return None if node["refdomain"] != "py" else environment.get_domain("py").resolve_xref(
        environment, node["refdoc"], app.builder, "obj", node["reftarget"], node, content)


def set_dashes(app, tree):
    """Sphinx writes "--" behind the name of a parameter."""
    for node in list(tree.findall(nodes.Text)):
        if node == " -- ":
            node.parent.replace(node, nodes.Text(" – "))


def setup(app):
    app.setup_extension("sphinx.ext.autodoc")
    app.connect("autodoc-process-docstring", process_docstring)
    app.connect("autodoc-process-signature", process_signature)
    app.connect("autodoc-skip-member", skip_member)
    app.connect("missing-reference", resolve_data)
    app.connect("doctree-read", set_dashes)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
