"""The comments of proc_connector.h, proc_connector.hpp and the Go module as pages of the documentation site."""
import re

# What is set as code in a sentence: man pages, files, names with an underscore or parentheses, and errors.
NAMES = re.compile(r"(?<![\w/.`])(?:((?:struct |enum |union )?"
                   r"(?:[a-z_0-9]{2,}\([1-8]\)|[\w-]+(?:/[\w.-]+)+\.[a-z]+|/proc(?:/[\w/]+)?(?!\w)|-E[A-Z0-9]{2,}\b"
                   r"|[A-Z]+_[A-Z_]+\*|[A-Za-z][A-Za-z0-9]*(?:_[A-Za-z0-9]+)+(?:\.[a-z_]+)*(?:\(\))?|[a-z]+\(\))))")


# ---- The text of a comment ----

def strip(block):
    """The lines of a C comment, without its marks."""
    lines = block.strip()[2:-2].split("\n")
    return [re.sub(r"^\s*\*( ?)", "", line).rstrip() if number else line.strip() for number, line in enumerate(lines)]


def dedent(lines):
    depth = min([len(line) - len(line.lstrip()) for line in lines if line.strip()] or [0])
    return [line[depth:] for line in lines]


def inline(text, code=NAMES):
    """A sentence as reStructuredText: names become code, and conf.py links those that the reference has."""
    parts, result = code.split(text), []
    for number, part in enumerate(parts):
        if number % 2:
            result.append("``%s``" % part.strip("`"))
        else:
            part = re.sub(r"([\\`*|_])", r"\\\1", part)
            # A name in code must not touch other letters.
            if number and part and part[0] not in " .,;:)!?-/'":
                part = "\\ " + part
            if number + 1 < len(parts) and part and part[-1] not in " (-/'":
                part += "\\ "
            result.append(part)
    return "".join(result)


LABEL = re.compile(r"(-E[A-Z0-9]+(?:, -E[A-Z0-9]+)*|\d+|PC_[A-Z_]+) {2,}(\S.*)$")
PARAMETER = re.compile(r"([a-z_]+(?:, [a-z_]+)*): {2,}(\S.*)$")


def text(lines, code=NAMES, language="c"):
    """The lines of a comment as lines of reStructuredText."""
    result, lines, number = [], dedent(lines), 0

    def take(first):
        """The lines that continue this one, which are indented."""
        nonlocal number
        taken = [first]
        while number < len(lines) and lines[number].startswith(" ") and lines[number].strip():
            taken.append(lines[number].strip())
            number += 1
        return " ".join(taken)

    while number < len(lines):
        line = lines[number]
        number += 1
        if not line.strip():
            result.append("")
        elif line.startswith("    ") and (number == 1 or not lines[number - 2].strip()):
            block = [line]
            while number < len(lines) and (lines[number].startswith("    ") or not lines[number].strip()):
                block.append(lines[number])
                number += 1
            result += ["", ".. code-block:: " + language, ""] + ["   " + item for item in dedent(block)] + [""]
        elif LABEL.match(line):
            rows, number = [], number - 1
            while number < len(lines) and LABEL.match(lines[number]):
                label, rest = LABEL.match(lines[number]).groups()
                number += 1
                rows.append((label, take(rest)))
            result += ["", ".. list-table::", "   :class: results", "   :widths: auto", ""]
            for label, rest in rows:
                result += ["   * - " + ", ".join("``%s``" % item for item in label.split(", ")), "     - " + inline(rest, code)]
            result.append("")
        elif PARAMETER.match(line):
            names, rest = PARAMETER.match(line).groups()
            result += ["", ", ".join("``%s``" % name for name in names.split(", ")), "   " + inline(take(rest), code), ""]
        elif re.match(r"(- |\d+\. )", line):
            mark = re.match(r"(- |\d+\. )", line)[0]
            result += ["", mark + inline(take(line[len(mark):]), code), ""]
        else:
            paragraph = [line]
            while (number < len(lines) and lines[number].strip() and not lines[number].startswith("    ")
                   and not LABEL.match(lines[number]) and not PARAMETER.match(lines[number])
                   and not re.match(r"- |\d+\. ", lines[number])):
                paragraph.append(lines[number].strip())
                number += 1
            result += ["", inline(" ".join(paragraph), code), ""]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(result)).strip("\n").split("\n")


def indent(lines, by=3):
    return [(" " * by + line).rstrip() for line in lines]


def heading(title, mark):
    return [title, mark * len(title), ""]


def labelled(title):
    """A heading of the page "Conventions", to which other pages link by this label."""
    return [".. _conventions-%s:" % re.sub(r"\W+", "-", title.lower()).strip("-"), ""] + heading(title, "-")


def conventions(lines):
    """"Name    text" with the text in a column of its own: a heading for each name."""
    result, column = [], None
    block, title = [], None

    def end():
        nonlocal block
        if title:
            result.extend(labelled(title) + text(block) + [""])
        block = []
    for line in lines:
        match = re.match(r"(\w[\w()]*) {2,}(?=\S)", line)
        if match:
            end()
            title, column = match[1], match.end()
            block = [" " * column + line[column:]]
        else:
            block.append(line)
    end()
    return result


# ---- C ----

def c_pages(header):
    """Yields the name and the text of each page."""
    first = re.search(r"/\*\n \* proc_connector:.*?\*/", header, re.S)[0]
    lines = strip(first)
    at, calls = lines.index("CONVENTIONS"), lines.index("SYSTEM CALLS")
    page = heading("Conventions", "=")
    page += ["These rules hold for every function of ``proc_connector.h``.", ""]
    page += conventions(lines[at + 1:calls])
    page += labelled("System calls")
    blocks = []
    for line in lines[calls + 1:]:
        if line and (not blocks or line.startswith(" ") != blocks[-1][0].startswith(" ")):
            blocks.append([])
        if blocks:
            blocks[-1].append(line)
    for block in blocks:
        page += columns(block) if block[0].startswith(" ") else text(block) + [""]
    yield "c/conventions.rst", "\n".join(page) + "\n"

    titles = []
    parts = re.split(r"^/\* -+ (.*?) -+ \*/$", header, flags=re.M)
    for title, body in zip(parts[1::2], parts[2::2]):
        name = title.lower().replace(" ", "-")
        body = body.split("#ifdef __cplusplus")[0]
        titles.append(name)
        functions = re.findall(r"^[a-z].*?(pc_\w+)\(", body, re.M)
        yield "c/%s.rst" % name, "\n".join(
            heading(title, "=") + ["Functions: %s." % ", ".join("``%s()``" % function for function in functions), ""] * bool(functions)
            + declarations(body)) + "\n"
    yield "c/index.rst", "\n".join(
        heading("C", "=")
        + ["The comments of ``proc_connector.h`` are C's documentation. The :doc:`man pages <../man/index>` have the same",
           "facts, function by function.", "", ".. toctree::", "   :maxdepth: 1", "", "   conventions"]
        + ["   " + name for name in titles]) + "\n"


def columns(lines):
    """A table of two columns, whose headings are underlined. If there are empty lines, they separate its rows."""
    while not lines[-1]:
        lines.pop()
    at = re.match(r" *-+ *", lines[1]).end()
    rows, between = [], "" in lines[3:]
    for line in [lines[0], ""] + lines[2:]:
        if not line or not between and line[:at].strip() or not rows:
            rows.append(([], []))
        for cell, part in zip(rows[-1], (line[:at].strip(), line[at:].strip())):
            cell += [part] if part else []
    result = [".. list-table::", "   :header-rows: 1", "   :widths: auto", ""]
    for left, right in (row for row in rows if row[0]):
        names = ["``%s``" % name for name in left] if result[-1] else left
        # In a list of system calls, only what the reference has is set as code.
        calls = re.sub(r"\b((?:pc|PC)_\w+)", r"``\1``", " ".join(right))
        result += ["   * - " + ", ".join(names), "     - " + calls]
    return result + [""]


def chunks(body):
    """Comments and declarations of a part of the header: pairs (comment or None, declaration)."""
    comment, lines, depth = None, [], 0
    for match in re.finditer(r"/\*.*?\*/|[^\n]+|\n", body, re.S):
        token = match[0]
        if depth == 0 and not lines and token.startswith("/*") and body[match.end():match.end() + 1] == "\n":
            if comment is not None:
                yield comment, ""
            comment = token
        elif token == "\n":
            if depth == 0 and lines and body[match.end():match.end() + 1] in ("\n", ""):
                yield comment, "\n".join(lines)
                comment, lines = None, []
        elif token.strip():
            lines.append(token)
            code = "" if token.startswith("/*") else token
            depth += code.count("{") - code.count("}")
    if lines:
        yield comment, "\n".join(lines)


def declarations(body):
    result = []
    for comment, code in chunks(body):
        about = text(strip(comment)) if comment else []
        if code.startswith("#define"):
            names = re.findall(r"#define (\w+)", code)
            result += [".. c:macro:: " + names[0]] + ["              " + name for name in names[1:]] + [""]
            result += indent(about + ["", ".. code-block:: text", ""] + indent(code.split("\n")))
        elif re.match(r"(struct|union|enum) \w+ \{", code):
            kind, name = re.match(r"(struct|union|enum) (\w+)", code).groups()
            result += [".. c:%s:: %s" % (kind, name), ""] + indent(about) + [""]
            result += indent(members(code, kind))
        elif re.match(r"struct \w+;", code):
            result += [".. c:struct:: " + re.match(r"struct (\w+)", code)[1], ""] + indent(about)
        elif code:
            result += [".. c:function:: " + " ".join(code.rstrip(";").split()), ""] + indent(about)
        else:
            result += about
        result.append("")
    return result


def members(code, kind):
    """The members of a struct, each with the comment before it."""
    result, comment = [], None
    inner = code[code.index("{") + 1:code.rindex("}")]
    for match in re.finditer(r"/\*.*?\*/|[^\s/][^;,]*[;,]", inner, re.S):
        token = match[0].strip()
        if token.startswith("/*"):
            comment = token
            continue
        token = token.rstrip(";,")
        what = "enumerator" if kind == "enum" else "member"
        result += [".. c:%s:: %s" % (what, token), ""]
        result += indent(text(strip(comment)) if comment else []) + [""]
        comment = None
    return result


# ---- C++ ----

# What is set as code in a sentence: files, lambdas, calls with their arguments, names of the standard library and of C, names
# with an underscore, operators, and options of a compiler.
CPP_NAMES = re.compile(r"""(?<![\w-])(
    [a-z_]+(?:/[a-z_]+)*\.(?:h|sh) | \[\](?:\([^()]*\))? | [a-z_]+(?:::[a-z_]+)*\([^()]*\) | std::\w+(?:::\w+)*(?:<[^>]*>)?
    | [a-z]+<\w+> | (?:[a-z]+\.)?[a-z]+_[a-z_]+(?:\.[a-z_]+)?(?:[ ]\*)? | \*_\w+ | pc_[a-z]+(?:[ ]\*)? | PC_[A-Z_]+ | AF_[A-Z]+
    | nullptr | operator[ ]bool | -> | \*\w* | -f[a-z-]+)""", re.X)


def escape(sentence):
    """A sentence as Markdown. C's header, a page of docs/ and "class NAME" become links."""
    result = []
    for number, part in enumerate(re.split(r"\b(proc_connector\.h\b|docs/[\w-]+\.md|class \w+)", sentence)):
        if number % 2:
            link = "c/conventions.rst" if part.endswith(".h") else re.sub("docs/", "", part.replace("class ", "#"))
            result.append("[%s](%s)" % (part, link))
            continue
        for inner, word in enumerate(CPP_NAMES.split(part)):
            result.append("`%s`" % word if inner % 2 else word.replace("<", r"\<").replace("*", r"\*"))
    return "".join(result)


def name_of(declaration):
    """The class or function that a declaration declares. None: it declares names of types."""
    code = re.sub(r"^template <.*>\n|\[\[nodiscard\]\] |decltype\(auto\)", "", declaration)
    match = re.match(r"(?:enum )?(?:class|struct) (\w+)|(?!using)[^\n({]*?(\w+)[({]", code)
    return match and (match[1] or match[2])


def without_bodies(code):
    """The declarations of a class: no function bodies, no private members."""
    code = re.sub(r"\n+( *)(private|protected):.*?(?=\n\1\};)", "", code, flags=re.S)
    result, position, start = [], 0, 0
    while position < len(code):
        char = code[position]
        if char == "{":
            before = "".join(result)
            statement = re.split(r"[;{}]|(?:public:)", before)[-1]
            if ")" in statement and not re.search(r"\b(enum|struct|class|namespace)\b[^()]*$", statement):
                depth, end = 1, position + 1
                while depth:
                    depth += {"{": 1, "}": -1}.get(code[end], 0)
                    end += 1
                kept = re.sub(r"\s+:\s+[a-z_]\w*(<[^>]*>)?([({].*| [A-Z_]+ *)$", "", statement, flags=re.S).rstrip()
                result = [before[:len(before) - len(statement)] + kept + ";"]
                position = end
                continue
        result.append(char)
        position += 1
    return "".join(result)


def cpp_page(header):
    first = strip(re.search(r"/\*\n \* proc_connector for C\+\+17.*?\*/", header, re.S)[0])
    at = first.index("CONVENTIONS")
    page = ["# C++", "", escape(first[1]), ""]
    code = [line for line in first[2:at] if not line or line.startswith("    ")]
    page += [fence("\n".join(dedent(code)).strip("\n"), "cpp"), "## Conventions", ""]
    for line in first[at + 1:]:
        match = re.match(r"([A-Z]\w*) {2,}", line)
        if match:
            page += ["", "**%s.** %s" % (match[1], escape(line[match.end():]))]
        else:
            page.append(escape(line.strip()))
    page.append("")
    body = header[header.index("namespace proc_connector {") + len("namespace proc_connector {"):]
    body = body[:body.rindex("} // namespace proc_connector")]
    body = re.sub(r"^namespace detail \{\n.*?^\} // namespace detail$", "", body, flags=re.M | re.S)
    parts = re.split(r"^// ---- (.*?) ----$", body, flags=re.M)
    seen = set()
    for title, part in zip(["Names and options"] + parts[1::2], parts[::2]):
        page += ["## " + title, ""]
        seen.add(title.lower())
        for chunk in re.split(r"\n\n(?=\S)(?![ }]|private:)", part.strip("\n")):
            comment, declaration = re.match(r"((?://[^\n]*\n)*)(.*)", chunk, re.S).groups()
            name = name_of(declaration)
            if name and name not in seen:
                seen.add(name)
                page += ["### `%s`" % name, ""]
            for paragraph in re.split(r"^//\n", comment, flags=re.M) if comment else []:
                page += [escape(" ".join(line[2:].strip() for line in paragraph.splitlines())), ""]
            page += [fence(without_bodies(declaration), "cpp")]
    return "\n".join(page) + "\n"


def fence(code, language):
    return "```%s\n%s\n```\n" % (language, code.strip("\n"))


# ---- Go ----

def go_page(output):
    """What go doc prints: declarations at the margin, each with its comment below, indented by four."""
    page, code, prose = ["# Go", ""], [], []
    seen = set()

    def end():
        nonlocal code, prose
        if code:
            page.append(fence("\n".join(code), "go"))
        lines, number = prose, 0
        while number < len(lines):
            if lines[number].startswith("    ") or lines[number].startswith("\t"):
                block = []
                while number < len(lines) and (not lines[number].strip() or lines[number][0] in " \t"):
                    block.append(lines[number])
                    number += 1
                page.append("\n" + fence("\n".join(dedent(block)).strip("\n"), "go"))
                continue
            line = re.sub(r"\[([\w.]+)\]", r"`\1`", lines[number])
            page.append("## " + line[2:] if line.startswith("# ") else re.sub(r"([<*])", r"\\\1", line))
            number += 1
        page.append("")
        code, prose = [], []
    package = True
    depth = 0
    for line in output.split("\n"):
        if re.fullmatch(r"[A-Z]{4,}", line):
            end()
            package = False
            page.append("## " + line.capitalize() + "\n")
        elif package:
            if not line.startswith("package "):
                prose.append(line)
        elif depth == 0 and (line.startswith("    ") or not line):
            prose.append(line[4:])
        else:
            if depth == 0 and prose:
                end()
            match = re.match(r"(?:func|type) (?:\([^)]*\) )?(\w+)", line)
            if depth == 0 and match:
                end()
                method = re.match(r"func \(\w* ?\*?(\w+)\) (\w+)", line)
                title = "%s.%s" % method.groups() if method else match[1]
                if title not in seen:
                    seen.add(title)
                    page.append("### `%s`\n" % title)
            code.append(line)
            depth += line.count("{") + line.count("(") - line.count("}") - line.count(")")
    end()
    return re.sub(r"\n{3,}", "\n\n", "\n".join(page)) + "\n"
