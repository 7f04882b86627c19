#!/usr/bin/env python3
"""gather.py FOLDER: gathers the sources of the documentation site in FOLDER, for sphinx-build.

The texts are those of the repository. README.md becomes the first page, and docs/*.md, CHANGELOG.md and the like
become pages. The comments of proc_connector.h and proc_connector.hpp, the output of go doc, the docstrings of the Python
package and the man pages become the reference. A file of the repository to which a page links becomes a page, too, so
that the site is complete without the repository and without network.
"""
import glob, html, os, re, shutil, subprocess, sys

import comments

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MAN = sorted(glob.glob(ROOT + "/man/*.[1-8]") + glob.glob(ROOT + "/tools/pcwatch/*.[1-8]"))
LANGUAGES = {".c": "c", ".h": "c", ".cpp": "cpp", ".hpp": "cpp", ".rs": "rust", ".go": "go", ".py": "python",
             ".sh": "bash", ".yaml": "yaml", ".json": "json", ".toml": "toml", ".service": "ini", ".md": "markdown"}


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def write(path, text):
    path = os.path.join(target, path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


# ---- Markdown ----

def page_of(path):
    """The name of the page that a file of the repository becomes, without .md; None if it becomes none by itself."""
    if path == "README.md":
        return "index"
    if path in ("CHANGELOG.md", "SECURITY.md", "ARCHITECTURE.md", "CONTRIBUTING.md"):
        return path[:-3].lower()
    match = re.fullmatch(r"docs/([^/]+)\.md", path)
    if match:
        return match[1]
    match = re.fullmatch(r"(?:man|tools/pcwatch)/([^/]+\.[1-8])", path)
    if match:
        return "man/" + match[1]
    if path == "bindings/go":
        return "go"
    if path == "bindings/python":
        return "python-reference"
    if path == "include/proc_connector.h":
        return "c/conventions"
    if path == "include/proc_connector.hpp":
        return "cpp"
    return None


def link(target_of_link, place, page):
    """The link that a page has to write for one that stands in the file "place" of the repository."""
    if re.match(r"[a-z]+:|#", target_of_link):
        return target_of_link
    path, hash, anchor = target_of_link.partition("#")
    path = os.path.normpath(os.path.join(os.path.dirname(place), path))
    if not os.path.exists(os.path.join(ROOT, path)):
        raise SystemExit("%s: the link to %s leads nowhere" % (place, target_of_link))
    found = page_of(path)
    if not found and re.fullmatch(r"docs/[^/]+\.(svg|json)", path):
        return os.path.relpath(path[5:], os.path.dirname(page) or ".")
    if not found:
        found = "files/" + path
        wanted.add(path)
    if found == "c/conventions" and anchor:
        return "conventions-" + anchor
    kind = ".rst" if found in ("c/conventions", "python-reference") else ".md"
    return os.path.relpath(found, os.path.dirname(page) or ".") + kind + hash + anchor


def markdown(place, page, more=""):
    """Makes a page of a Markdown file."""
    lines, fenced = [], False
    for line in read(place).splitlines():
        if line.lstrip().startswith("```"):
            fenced = not fenced
        if not fenced:
            line = re.sub(r"\]\(([^)\s]+)\)", lambda match: "](%s)" % link(match[1], place, page), line)
            line = re.sub(r"(?<!\[)`man (?:\d )?(\w+)`", lambda match: "[%s](%s.md)" % (
                match[0], os.path.relpath("man/" + owner[match[1]], os.path.dirname(page) or "."))
                          if match[1] in owner else match[0], line)
            line = re.sub(r"^<!--.*-->$", "", line)
        lines.append(line)
    write(page + ".md", "\n".join(lines) + "\n" + more)


# ---- Files of the repository ----

def fence(text, language):
    marks = "`" * max([3] + [1 + len(found) for found in re.findall("`+", text)])
    return "%s%s\n%s\n%s\n" % (marks, language, text.rstrip("\n"), marks)


def language_of(path, text):
    if path.endswith(".service"):
        return "ini"
    if text.startswith("#!"):
        return "python" if "python" in text.split("\n")[0] else "bash"
    name = os.path.basename(path)
    return "make" if name == "Makefile" else LANGUAGES.get(os.path.splitext(name)[1], "text")


def file_page(path):
    """Makes a page of a file, or of a folder with links to its files."""
    page = "files/" + path
    heading = "---\norphan: true\nnosearch: true\n---\n\n# `%s`\n\n" % path
    if not os.path.isdir(os.path.join(ROOT, path)):
        text = read(path)
        write(page + ".md", heading + fence(text, language_of(path, text)))
        return
    entries = []
    for name in sorted(os.listdir(os.path.join(ROOT, path))):
        inner = path + "/" + name
        if name.startswith(".") or name in ("target", "__pycache__") or os.path.islink(os.path.join(ROOT, inner)):
            continue
        entries.append("- [`%s`](%s)" % (name, link(name, path + "/x", page)))
    write(page + ".md", heading + "\n".join(entries) + "\n")


# ---- Man pages ----

def man_names():
    """Which page describes each name."""
    names = {}
    for path in MAN:
        with open(path, encoding="utf-8") as file:
            heading = re.search(r"^\.Sh NAME\n(.*?)^\.Nd", file.read(), re.M | re.S)[1]
        names.update((name, os.path.basename(path)) for name in re.findall(r"^\.Nm (\S+)", heading, re.M))
    return names


def man_pages():
    """mandoc makes HTML of each page. Its headings become those of the site, so that they are in the page's contents."""
    rows = []
    for path in MAN:
        page = os.path.basename(path)
        text = subprocess.run(["mandoc", "-T", "html", "-O", "fragment,man=%N.%S", path], check=True,
                              stdout=subprocess.PIPE, encoding="utf-8").stdout
        text = re.sub(r'<table class="(head|foot)">.*?</table>', "", text, flags=re.S)
        text = re.sub(r'<div class="manual-text">(.*)</div>', r"\1", text, flags=re.S)

        def cross(match):
            name, section = match[1].rsplit(".", 1)
            where = owner.get(name, "")
            where = where if where.endswith(section) else ""
            return '<a href="%s.html">%s</a>' % (where, match[2]) if where else match[2]
        text = re.sub(r'<a class="Xr" href="([^"]+)">(.*?)</a>', cross, text, flags=re.S)
        text = re.sub(r'<a class="In">(.*?)</a>', r"\1", text, flags=re.S)
        text = re.sub(r'<a class="permalink" href="[^"]*">(.*?)</a>', r"\1", text, flags=re.S)
        summary = re.search(r'<span class="Nd">(.*?)</span>', text, re.S)[1]
        parts = re.split(r'<h([12]) class="S[hs]" id="([^"]*)">(.*?)</h[12]>', re.sub(r"</?section[^>]*>", "", text), flags=re.S)
        page_text = ["# %s(%s)\n" % (page[:-2], page[-1])]
        for level, anchor, title, body in zip(parts[1::4], parts[2::4], parts[3::4], parts[4::4]):
            title = html.unescape(re.sub(r"<[^>]*>|\s+", lambda m: " " if m[0].isspace() else "", title)).capitalize()
            page_text.append("%s %s\n" % ("#" * (int(level) + 1), title))
            page_text.append(fence('<div class="man" id="%s">%s</div>' % (anchor, body.strip()), "{raw} html"))
        write("man/%s.md" % page, "\n".join(page_text))
        rows.append((page, " ".join(html.unescape(re.sub("<[^>]*>", "", summary)).split()),
                     sorted(name for name, where in owner.items() if where == page and name != page[:-2])))
    rows.sort(key=lambda row: (row[0][-1] == "3", row[0]))
    write("man/index.md", "# Man pages\n\nAfter an installation, `man NAME` shows a page for each of these names.\n\n"
          "| page | about | also describes |\n|---|---|---|\n"
          + "".join("| [%s(%s)](%s.md) | %s | %s |\n" % (page[:-2], page[-1], page, about, ", ".join("`%s`" % name for name in more))
                    for page, about, more in rows)
          + "\n```{toctree}\n:hidden:\n\n" + "\n".join(row[0] for row in rows) + "\n```\n")


# ---- Go, Python and Rust ----

def with_examples(text, path, page):
    """A page of the reference, with a link to its examples below the heading."""
    heading, rest = text.split("\n", 1)
    return "%s\n\nComplete programs: [`%s`](%s)\n%s" % (heading, path, link(path, "", page), rest)


def go():
    """Makes a page of what go doc prints: declarations at the margin, and below each its comment, indented."""
    text = None
    if shutil.which("go"):
        run = subprocess.run(["go", "doc", "-all"], cwd=ROOT + "/bindings/go", stdout=subprocess.PIPE, encoding="utf-8",
                             env=dict(os.environ, GOWORK="off", GOFLAGS="-mod=mod"))
        text = run.stdout if run.returncode == 0 else None
    if text is None:
        print("docs: the page about Go has no reference, because there is no go command", file=sys.stderr)
        write("go.md", "# Go\n\nThis site was built where Go was missing. In a checkout, `go doc -all` in `bindings/go` "
              "prints the reference.\n")
        return
    write("go.md", with_examples(comments.go_page(text), "bindings/go/example_test.go", "go"))


def python():
    """Builds the package for autodoc, which is a part of Sphinx, and imports the package, so that the reference has what
    help() shows. With a mocked extension, the package cannot be imported."""
    python = os.environ.get("PYTHON", "/usr/bin/python3")
    compiler, cargo = (os.environ.get(name, usual).split()[0] for name, usual in (("CC", "cc"), ("CARGO", "cargo")))
    find = "import cffi, setuptools, os, sysconfig; os.stat(sysconfig.get_path('include') + '/Python.h')"
    missing = [command for command in (compiler, cargo, "make", python) if not shutil.which(command)]
    if not missing and subprocess.run([python, "-c", find], stderr=subprocess.DEVNULL, check=False).returncode:
        missing = ["cffi, setuptools or Python.h (Debian: python3-cffi python3-setuptools python3-dev)"]
    if missing:
        print("docs: the page about Python has no reference, because there is no " + missing[0], file=sys.stderr)
        write("python-reference.rst", "Python reference\n================\n\nThis site was built where the package could not be "
              "built. Where it is installed, ``help(proc_connector.Table)`` prints its reference.\n")
        return
    # The package is imported here, so make must build the library for this machine.
    environment = {name: value for name, value in os.environ.items()
                   if name not in ("TARGET", "CARGO_BUILD_TARGET", "MAKEFLAGS", "MFLAGS")}
    folder = ROOT + "/build/python-docs"
    run = subprocess.run([python, "setup.py", "--quiet", "build_ext", "--build-lib", folder, "--build-temp", folder + "/made"],
                         cwd=ROOT + "/bindings/python", env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                         encoding="utf-8", check=False)
    if run.returncode:
        raise SystemExit(run.stdout + "docs: the Python package cannot be built")
    for source in (ROOT + "/bindings/python/src/proc_connector", folder + "/proc_connector"):
        shutil.copytree(source, target + "/package/proc_connector", dirs_exist_ok=True)
    for name in ("comments.py", "docstrings.py"):
        shutil.copy(ROOT + "/tools/site/" + name, target)
    write("python-reference.rst", read("tools/site/python.rst"))


def rust():
    """What rustdoc makes of the crate is a part of the site as it is; the page about Rust links to it."""
    cargo = os.environ.get("CARGO", "cargo").split()
    version = subprocess.run(cargo + ["-vV"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, encoding="utf-8",
                             check=False).stdout if shutil.which(cargo[0]) else ""
    host = re.search("^host: (.*)", version, re.M)
    if not host:
        print("docs: the page about Rust has no reference, because there is no cargo", file=sys.stderr)
        return
    # The folder is named, because CARGO_TARGET_DIR and CARGO_BUILD_TARGET can change where cargo writes.
    folder = ROOT + "/build/rustdoc"
    subprocess.run(cargo + ["doc", "--locked", "--quiet", "--no-deps", "--lib", "--target", host[1], "--target-dir", folder],
                   cwd=ROOT, check=True)
    shutil.copytree("%s/%s/doc" % (folder, host[1]), target + "/extra/rustdoc")
    with open(target + "/rust.md", "a", encoding="utf-8") as page:
        page.write("\n## Reference\n\n" + fence('<p><a href="rustdoc/proc_connector/index.html">The documentation of '
                                               'the crate</a></p>', "{raw} html"))


def main():
    os.makedirs(target + "/extra")
    for page in glob.glob(ROOT + "/docs/*.md"):
        place = "docs/" + os.path.basename(page)
        markdown(place, page_of(place))
    for page in glob.glob(ROOT + "/docs/*.svg") + glob.glob(ROOT + "/docs/*.json"):
        shutil.copy(page, target)
    for place in ("CHANGELOG.md", "SECURITY.md", "ARCHITECTURE.md", "CONTRIBUTING.md"):
        if os.path.exists(os.path.join(ROOT, place)):
            markdown(place, page_of(place))
    markdown("README.md", "index", read("tools/site/contents.md"))
    man_pages()
    for page, text in comments.c_pages(read("include/proc_connector.h")):
        write(page, text)
    write("cpp.md", with_examples(comments.cpp_page(read("include/proc_connector.hpp")), "examples-c++", "cpp"))
    go()
    python()
    rust()
    done = set()
    while wanted - done:
        path = min(wanted - done)
        done.add(path)
        file_page(path)
    for name in ("conf.py", "style.css"):
        shutil.copy(ROOT + "/tools/site/" + name, target)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("gather.py: the folder is missing")
    if not shutil.which("mandoc"):
        sys.exit("make docs needs mandoc (Debian: mandoc)")
    target, wanted, owner = sys.argv[1], set(), man_names()
    shutil.rmtree(target, ignore_errors=True)
    os.makedirs(target)
    main()
