#!/usr/bin/env python3
"""The documentation site that make docs builds: complete, without a dead link, and of use offline. Prints TAP."""
import glob, html.parser, os, re, shutil, subprocess, sys, tempfile, urllib.parse

sys.dont_write_bytecode = True
from tap import conclude, ok

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SITE = ROOT + "/build/site/html/"
PACKAGES = "/usr/lib/python3/dist-packages/"
os.chdir(ROOT)
if subprocess.run(["tests/needs.sh", "sphinx-build", "python3-sphinx", PACKAGES + "myst_parser", "python3-myst-parser",
                   PACKAGES + "furo", "furo", "mandoc", "mandoc", "go", "golang-go"], stdout=sys.stderr).returncode:
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


text = " ".join(words(html.unescape(re.sub(r"<[^>]*>", "", read(path)))) for path in glob.glob(SITE + "c/*.html"))
sentences = [words(re.sub(r"\n *\*", "\n", sentence)) for comment in re.findall(r"/\*(.*?)\*/", header, re.S)
             for sentence in re.split(r"[.:;]\s", comment) if "SPDX" not in comment and "---" not in comment and "__cplusplus" not in comment]
missing = [sentence for sentence in sentences if sentence.strip() and sentence.strip() not in text]
ok(len(sentences) > 500 and not missing, "no sentence of the header's comments is missing in the reference", "\n".join(missing))

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
    ok(bare.returncode == 0 and len(bare.stdout.splitlines()) == 2 and "no go" in bare.stdout and "no cargo" in bare.stdout,
       "where Go and Rust are missing, the build says so in a line each", bare.stdout)
    os.unlink(work + "/mandoc")
    bare = subprocess.run([sys.executable, "-B", "tools/site/gather.py", work + "/source"], env={"PATH": work},
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8")
    ok(bare.returncode == 1 and bare.stdout == "make docs needs mandoc (Debian: mandoc)\n",
       "where mandoc is missing, the build says so", bare.stdout)
conclude()
