#!/usr/bin/env python3
"""The documentation site that make docs builds: complete, without a dead link, and of use offline. Prints TAP."""
import glob, html.parser, json, os, re, shutil, subprocess, sys, tempfile, urllib.parse

sys.dont_write_bytecode = True
from tap import conclude, ok

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SITE = ROOT + "/build/site/html/"
PACKAGES = "/usr/lib/python3/dist-packages/"
HEADERS = (glob.glob("/usr/include/python3*/Python.h") or ["/usr/include/python3/Python.h"])[0], "python3-dev"
os.chdir(ROOT)
if subprocess.run(["tests/needs.sh", "sphinx-build", "python3-sphinx", PACKAGES + "myst_parser", "python3-myst-parser",
                   PACKAGES + "furo", "furo", "mandoc", "mandoc", "go", "golang-go", "clang++", "clang", PACKAGES + "cffi", "python3-cffi",
                   PACKAGES + "setuptools", "python3-setuptools", *HEADERS], stdout=sys.stderr).returncode:
    if os.environ.get("CI") == "true":
        sys.exit(1)
    print("1..0 # SKIP its tools are not installed")
    sys.exit(0)


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


build = subprocess.run(["make", "docs"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8")
ok(build.returncode == 0, "the site is built, and no page causes a warning", build.stdout)
if build.returncode:
    conclude()


class Page(html.parser.HTMLParser):
    """The links of a page, its anchors, and what the browser loads for it."""
    def __init__(self, path):
        super().__init__()
        self.links, self.anchors, self.loads = [], set(), []
        self.feed(read(path))

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.anchors.update(attributes[name] for name in ("id", "name") if attributes.get(name))
        if tag == "a" and attributes.get("href"):
            self.links.append(attributes["href"])
        for name in ("src", "href"):
            if tag in ("script", "link", "img") and attributes.get(name):
                self.loads.append(attributes[name])


def pages():
    for path in sorted(glob.glob(SITE + "**/*.html", recursive=True)):
        if not path.startswith(SITE + "rustdoc/"):
            yield os.path.normpath(path), Page(path)


site = dict(pages())


def leads_to(path, link):
    """The file and the anchor that a link leads to; None: it leaves the site."""
    parts = urllib.parse.urlsplit(link)
    if parts.scheme or parts.netloc:
        return None
    file = os.path.normpath(os.path.join(os.path.dirname(path), urllib.parse.unquote(parts.path))) if parts.path else path
    return file, urllib.parse.unquote(parts.fragment)


dead, reached, waiting = [], set(), [os.path.normpath(SITE + "index.html")]
for path, page in site.items():
    for link in page.links + page.loads:
        target = leads_to(path, link)
        if target and (not os.path.isfile(target[0])
                       or target[1] and target[0] in site and target[1] not in site[target[0]].anchors):
            dead.append("%s: %s" % (os.path.relpath(path, SITE), link))
while waiting:
    path = waiting.pop()
    if path not in reached and path in site:
        reached.add(path)
        waiting += [target[0] for target in (leads_to(path, link) for link in site[path].links) if target]
ok(not dead, "each link of the site leads to a page, and each anchor to a place in it", "\n".join(dead))
away = ["%s: %s" % (os.path.relpath(path, SITE), link) for path, page in site.items() for link in page.loads
        if not leads_to(path, link)]
ok(not away, "a browser needs no network to show the site", "\n".join(away))


def is_there(page):
    return os.path.normpath(SITE + page + ".html") in reached


missing = [path for path in glob.glob("docs/*.md") if not is_there(os.path.basename(path)[:-3])]
ok(not missing, "each page of docs/ can be reached from the first page", missing)
missing = [path for path in glob.glob("man/*.[1-8]") + glob.glob("tools/pcwatch/*.[1-8]")
           if not is_there("man/" + os.path.basename(path))]
ok(not missing, "each man page can be reached from the first page", missing)

header = read("include/proc_connector.h")
names = set(re.findall(r"^\t(pc_\w+);", read("src/capi/proc_connector.map"), re.M))
names |= set(re.findall(r"^(?:struct|union|enum) (pc_\w+)", header, re.M))
names |= set(re.findall(r"^#define (PC_\w+)", header, re.M))
reference = set()
for path in glob.glob(SITE + "c/*.html"):
    reference |= {anchor[2:] for anchor in site[os.path.normpath(path)].anchors if anchor.startswith("c.")}
ok(names and names <= reference, "each function, type and constant of the header is in the reference", sorted(names - reference))
members = set(re.findall(r"^    (PC_\w+) = ", header, re.M)) | set(
    re.findall(r"^    [\w ]*[ *](\w+)(?:\[\d+\])?;", header, re.M))
ok(members and members <= {name.split(".")[-1] for name in reference},
   "each field and each value of the header is in the reference",
   sorted(members - {name.split(".")[-1] for name in reference}))


def words(path):
    """The text of comments or of a page, without what only marks it up."""
    return re.sub(r"[^a-z0-9]+", " ", path.lower())


def plain(page):
    return html.unescape(re.sub(r"<[^>]*>", "", page))


text = " ".join(words(plain(read(path))) for path in glob.glob(SITE + "c/*.html"))
sentences = [words(re.sub(r"\n *\*", "\n", sentence)) for comment in re.findall(r"/\*(.*?)\*/", header, re.S)
             for sentence in re.split(r"[.:;]\s", comment) if "SPDX" not in comment and "---" not in comment and "__cplusplus" not in comment]
missing = [sentence for sentence in sentences if sentence.strip() and sentence.strip() not in text]
ok(len(sentences) > 500 and not missing, "no sentence of the header's comments is missing in the reference", "\n".join(missing))

# What is public in C++, and its comments: the compiler reports them, not a list.
def public(code):
    """The declarations of the namespace, each with its type, and the comments before them."""
    run = subprocess.run(["clang++", "-std=c++17", "-Iinclude", "-fsyntax-only", "-w", "-fparse-all-comments", "-Xclang", "-ast-dump=json",
                          "-Xclang", "-ast-dump-filter=proc_connector", "-x", "c++", "-"], input=code, stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, encoding="utf-8", check=False)
    declared, comments, at = [], [], 0

    def comment_of(node):
        inner = node.get("inner", [])
        return [node["text"]] if node["kind"] == "TextComment" else [text for each in inner for text in comment_of(each)]

    def look(node, place, access):
        for inner in node.get("inner", []):
            kind = inner["kind"]
            if kind == "AccessSpecDecl":
                access = inner["access"]
            if kind == "FullComment" and node["kind"] != "NamespaceDecl":
                comments.append(" ".join(comment_of(inner)))
            if inner.get("isImplicit") or access != "public" or inner.get("name") == "detail":
                continue
            if kind in ("ClassTemplateDecl", "FunctionTemplateDecl", "FriendDecl"):
                own = [each for each in inner["inner"] if each["kind"].endswith("Decl") and "Template" not in each["kind"]]
                look({"kind": kind, "inner": own[:1]}, place, "public")
            elif kind.endswith("Decl") and "name" in inner:
                declared.append("%s %s::%s: %s" % (kind, place, inner["name"], inner.get("type", {}).get("qualType", "")))
                if kind in ("CXXRecordDecl", "ClassTemplateSpecializationDecl", "EnumDecl"):
                    look(inner, place + "::" + inner["name"], "private" if inner.get("tagUsed") == "class" else "public")
                elif kind.startswith("CXX") or kind == "FunctionDecl":
                    look({"kind": kind, "inner": [each for each in inner.get("inner", []) if each["kind"] == "FullComment"]}, place, "public")
    while run.returncode == 0 and run.stdout[at:].strip():
        node, at = json.JSONDecoder().raw_decode(run.stdout, at + len(run.stdout[at:]) - len(run.stdout[at:].lstrip()))
        if node["kind"] == "NamespaceDecl":
            look(node, "", "public")
    return sorted(declared), comments, run.stderr


source = read("include/proc_connector.hpp")
declared, comments, _ = public(source)
page = read(SITE + "cpp.html")
reference = page[page.index('id="names-and-options"'):]
code = [plain(block) for block in re.findall(r'<div class="highlight-cpp.*?<pre>(.*?)</pre>', reference, re.S)]
includes = "\n".join(re.findall("^#include .*", source, re.M))
shown, _, errors = public("%s\nnamespace proc_connector {\n%s\n}\n" % (includes, "\n".join(code)))
ok(len(declared) > 150 and shown == declared, "the code on the page about C++ compiles, and declares what the header does, and no more",
   errors + "\n".join("- " + line for line in declared if line not in shown) + "\n".join("+ " + line for line in shown if line not in declared))
names = {re.search(r"::(\w+):", line)[1] for line in declared if re.match(r"(CXXRecord|Enum|Function|Var)\w* ::\w+:", line)}
headings = {plain(heading).lower() for heading in re.findall(r'<h[23]>(.*?)<a class="headerlink"', reference)}
ok(len(names) > 20 and names <= headings, "each class and function of C++ has a heading", sorted(names - headings))
text = words(plain(page))
sentences = [words(sentence) for comment in comments for sentence in re.split(r"[.:;]\s", comment)]
missing = [sentence for sentence in sentences if sentence.strip() and sentence.strip() not in text]
ok(len(sentences) > 100 and not missing, "no sentence of the C++ header's comments is missing on its page", "\n".join(missing))

# What each public name of the Python package is: the package itself reports it, not a list.
LOOK = r'''
import ast, enum, inspect, json, pathlib, re, sys
import proc_connector, proc_connector.testing as testing

places, texts, signatures = [], [proc_connector.__doc__, testing.__doc__], {}

def is_own(thing):
    return str(getattr(thing, "__module__", None)).split(".")[0] == "proc_connector"

def look(place, thing):
    places.append(place)
    texts.append(inspect.getdoc(thing) if is_own(thing) and callable(thing) else None)
    if inspect.isclass(thing):
        names = set(getattr(thing, "_fields", ())) | set(getattr(thing, "__members__", ()))
        for base in filter(is_own, thing.__mro__):
            names |= {name for name in vars(base) if not name.startswith("_")}
            names |= {name for name, value in vars(base).items() if inspect.isfunction(value) and is_own(value) and value.__doc__
                      and name.startswith("__")}
            made = inspect.getsource(base.__init__) if "__init__" in vars(base) else ""
            names |= set(re.findall(r"self\.([a-z]\w*)(?:: [^=]+)? = ", made))
        for name in sorted(names):
            value = inspect.getattr_static(thing, name, None)
            if inspect.isroutine(value):
                look(place + "." + name, getattr(thing, name))
            else:
                places.append(place + "." + name)
                texts.append(value.__doc__ if isinstance(value, property) else None)
        if issubclass(thing, (tuple, enum.Enum, Exception)):
            return
    if is_own(thing) and callable(thing):
        signatures[place] = [name for name in inspect.signature(thing).parameters if name != "self"]

for name in proc_connector.__all__:
    look("proc_connector." + name, getattr(proc_connector, name))
for name, thing in vars(testing).items():
    if getattr(thing, "__module__", None) == testing.__name__ and not name.startswith("_"):
        look(testing.__name__ + "." + name, thing)
# A docstring may also stand behind an assignment.
known = {place.split(".")[-1] for place in places}
for path in pathlib.Path(proc_connector.__file__).parent.glob("*.py"):
    for node in ast.walk(ast.parse(path.read_text())):
        body = getattr(node, "body", None)
        for before, after in zip(body, body[1:]) if isinstance(body, list) else ():
            if isinstance(before, ast.Assign) and isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
                if ast.unparse(before.targets[0]).split(".")[-1] in known:
                    texts.append(after.value.value)
json.dump([places, [text for text in texts if text], signatures], sys.stdout)
'''
look = subprocess.run([os.environ.get("PYTHON", "/usr/bin/python3"), "-B", "-c", LOOK], stdout=subprocess.PIPE, check=True,
                      env=dict(os.environ, PYTHONPATH="build/site/source/package"))
places, docstrings, signatures = json.loads(look.stdout)
reference = os.path.normpath(SITE + "python-reference.html")
missing = [place for place in places if place not in site[reference].anchors]
ok(len(places) > 250 and not missing, "each name of the Python package, with its methods, fields and members, is in the reference",
   "\n".join(missing))
page = read(reference)
lines = {place: words(plain(line)) for place, line in re.findall(r'<dt class="sig[^>]* id="([^"]*)">(.*?)</dt>', page, re.S)}
missing = ["%s: %s" % (place, name) for place, names in signatures.items() for name in names
           if " %s " % words(name) not in lines.get(place, "")]
ok(sum(map(len, signatures.values())) > 40 and not missing, "each parameter in Python is in the reference", "\n".join(missing))
text = words(plain(page))
sentences = [words(sentence).strip() for docstring in docstrings for sentence in re.split(r"[.:;]\s", docstring)]
missing = [sentence for sentence in sentences if sentence not in text]
ok(len(sentences) > 300 and not missing, "no sentence of Python's docstrings is missing in the reference", "\n".join(missing))
links = {urllib.parse.unquote(link) for link in site[os.path.normpath(SITE + "python.html")].links}
ok({"python-reference.html#proc_connector." + name for name in ("Table", "Table.command", "Process.euid", "ClosedError")}
   <= links, "the page about Python links names to their places in the reference", sorted(links))

index = read(SITE + "searchindex.js")
missing = [name for name in ("pc_open", "pc_table_next", "pc_event_overrun", "unsync", "hidepid")
           if not re.search(r'[{,]\s*"?%s"?:' % name, index)]
ok(not missing, "the search finds functions, constants and words", missing)
ok("<code" in read(SITE + "go.html") and "OpenTable" in read(SITE + "go.html")
   and os.path.exists(SITE + "rustdoc/proc_connector/index.html") and "rustdoc/proc_connector/index.html" in site[
       os.path.normpath(SITE + "rust.html")].links,
   "the interfaces of Go and Rust are in the site")

with tempfile.TemporaryDirectory() as work:
    for name in ("mandoc", "python3"):
        os.symlink(shutil.which(name), work + "/" + name)
    bare = subprocess.run([sys.executable, "-B", "tools/site/gather.py", work + "/source"], env={"PATH": work},
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8")
    ok(bare.returncode == 0 and bare.stdout.splitlines() == [
        "docs: the page about %s has no reference, because there is no %s" % what
        for what in (("Go", "go command"), ("Python", "cc"), ("Rust", "cargo"))],
       "where Go, a C compiler and Rust are missing, the build says so in a line each", bare.stdout)
    for name in ("cc", "cargo", "make"):
        os.symlink("/bin/false", work + "/" + name)
    os.mkdir(work + "/without")
    with open(work + "/without/cffi.py", "w", encoding="utf-8") as file:
        file.write("raise ImportError")
    bare = subprocess.run([sys.executable, "-B", "tools/site/gather.py", work + "/source"],
                          env={"PATH": work, "PYTHONPATH": work + "/without"}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          encoding="utf-8")
    ok(bare.returncode == 0 and "docs: the page about Python has no reference, because there is no cffi, setuptools or Python.h "
       "(Debian: python3-cffi python3-setuptools python3-dev)\n" in bare.stdout
       and "help(proc_connector.Table)" in read(work + "/source/python-reference.rst"),
       "where Python's packages are missing, the build and the page say so", bare.stdout)
    with open(work + "/without/_cffi_backend.py", "w", encoding="utf-8") as file:
        file.write("raise ImportError('no cffi')")
    bare = subprocess.run([os.environ.get("SPHINXBUILD", "sphinx-build"), "-q", "-b", "html", "build/site/source", work + "/html"],
                          env=dict(os.environ, PYTHONPATH=work + "/without"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          encoding="utf-8")
    ok(bare.returncode == 2 and bare.stdout.endswith(
        ", which runs Sphinx, cannot import the Python package: no cffi (Debian: python3-cffi)\n") and "Traceback" not in bare.stdout,
       "where the Python that runs Sphinx has no cffi, the build says so", bare.stdout)
    os.unlink(work + "/mandoc")
    bare = subprocess.run([sys.executable, "-B", "tools/site/gather.py", work + "/source"], env={"PATH": work},
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8")
    ok(bare.returncode == 1 and bare.stdout == "make docs needs mandoc (Debian: mandoc)\n",
       "where mandoc is missing, the build says so", bare.stdout)
conclude()
