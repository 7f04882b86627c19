//! include/proc_connector.h is what cbindgen makes of src/capi, in the order of the sources.
//! `make header` writes it.

use std::collections::BTreeMap;
use std::path::Path;

/// The sections of the header, and the source file of each.
const SECTIONS: [(&str, &str); 7] = [
    ("Version and errors", "library.rs"),
    ("Events", "event.rs"),
    ("The connector", "connector.rs"),
    ("The process table", "table.rs"),
    ("Single processes", "process.rs"),
    ("Texts of a process", "text.rs"),
    ("Waking up in time", "wake.rs"),
];

#[test]
fn the_committed_header_is_what_cbindgen_makes_of_the_sources() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = root.join("include/proc_connector.h");
    let fresh = tidied(&arranged(&generated(root), root));
    if std::env::var_os("WRITE_HEADER").is_some() {
        std::fs::write(&path, &fresh).expect("include/ is writable");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == fresh, "{} is stale: run make header", path.display());
}

fn generated(root: &Path) -> String {
    let config = cbindgen::Config::from_file(root.join("cbindgen.toml")).expect("cbindgen.toml");
    let builder = cbindgen::Builder::new().with_config(config);
    let mut header = Vec::new();
    SECTIONS
        .iter()
        .fold(builder, |builder, (_, file)| builder.with_src(root.join("src/capi").join(file)))
        .generate()
        .expect("a header")
        .write(&mut header);
    String::from_utf8(header).expect("UTF-8")
}

/// The header with its definitions in the order of the sources, in sections. cbindgen puts all
/// constants before all types before all functions, so that what belongs together is far apart.
///
/// A macro that only cbindgen.toml defines stands where the source has a constant of its name.
fn arranged(header: &str, root: &Path) -> String {
    let mut definitions = BTreeMap::new();
    let mut frame = Vec::new();
    for block in header.split("\n\n").map(|block| block.trim_matches('\n')) {
        match name_in_c(block) {
            Some(name) => {
                let twice = definitions.insert(name, block);
                assert!(twice.is_none(), "{name} is defined twice");
            }
            None => frame.push(block),
        }
    }
    let opening = frame.iter().position(|block| block.contains("extern \"C\" {")).expect("C++");
    let mut blocks: Vec<String> = frame[..=opening].iter().map(ToString::to_string).collect();
    for (title, file) in SECTIONS {
        blocks.push(format!("/* {:-^94} */", format!(" {title} ")));
        let source = std::fs::read_to_string(root.join("src/capi").join(file)).expect(file);
        let names = source.lines().filter_map(name_in_rust);
        blocks.extend(names.filter_map(|name| definitions.remove(name)).map(str::to_owned));
    }
    assert!(definitions.is_empty(), "in no source: {:?}", definitions.keys());
    blocks.extend(frame[opening + 1..].iter().map(ToString::to_string));
    blocks.join("\n\n") + "\n"
}

/// What a block of the header defines, behind its comment; `None` for the frame around them.
fn name_in_c(block: &str) -> Option<&str> {
    let is_comment = |line: &&str| line.starts_with("/*") || line.starts_with(" *");
    block.lines().find(|line| !is_comment(line)).and_then(first_name)
}

/// What a line of a source defines, if it begins an item.
fn name_in_rust(line: &str) -> Option<&str> {
    let begins_an_item = line.starts_with("pub ") || line.starts_with("const ");
    begins_an_item.then(|| first_name(line)).flatten()
}

fn first_name(line: &str) -> Option<&str> {
    line.split(|c: char| !c.is_alphanumeric() && c != '_')
        .find(|word| word.starts_with("pc_") || word.starts_with("PC_"))
}

/// The layout that a C author would choose: plain comments, short ones on one line, and no empty
/// lines between constants that have no comments.
fn tidied(header: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for line in header.lines() {
        let line = line.replace("/**", "/*").replace("// __cplusplus", "/* __cplusplus */");
        let is_end = line.trim() == "*/";
        if let Some(joined) = is_end.then(|| short_comment(&lines)).flatten() {
            lines.truncate(lines.len() - 2);
            lines.push(joined);
        } else if line.starts_with("#define") && is_definition_then_blank(&lines) {
            lines.pop();
            lines.push(line);
        } else if !(line.is_empty() && lines.last().is_some_and(String::is_empty)) {
            lines.push(line);
        }
    }
    lines.join("\n") + "\n"
}

/// One line for a comment that has only one line of text, if there is room for it.
fn short_comment(lines: &[String]) -> Option<String> {
    let [.., opening, text] = lines else { return None };
    let (indent, text) = text.split_once(" * ")?;
    let is_short = opening.trim() == "/*" && text.len() + indent.len() + 6 <= 100;
    is_short.then(|| format!("{indent}/* {text} */"))
}

fn is_definition_then_blank(lines: &[String]) -> bool {
    matches!(lines, [.., definition, blank] if definition.starts_with("#define") && blank.is_empty())
}
