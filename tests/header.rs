//! include/proc_connector.h is what cbindgen makes of src/capi. `make header` writes it.

use std::path::Path;

#[test]
fn the_committed_header_is_fresh() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = root.join("include/proc_connector.h");
    let mut generated = Vec::new();
    cbindgen::Builder::new()
        .with_config(
            cbindgen::Config::from_file(root.join("cbindgen.toml")).expect("cbindgen.toml"),
        )
        .with_src(root.join("src/capi/library.rs"))
        .with_src(root.join("src/capi/event.rs"))
        .with_src(root.join("src/capi/connector.rs"))
        .with_src(root.join("src/capi/table.rs"))
        .with_src(root.join("src/capi/process.rs"))
        .generate()
        .expect("a header")
        .write(&mut generated);
    let fresh = tidied(&String::from_utf8(generated).expect("UTF-8"));
    if std::env::var_os("WRITE_HEADER").is_some() {
        std::fs::write(&path, &fresh).expect("include/ is writable");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == fresh, "{} is stale: run make header", path.display());
}

/// The layout that a C author would choose: plain comments, short ones on one line, and no empty
/// lines between definitions that have none.
fn tidied(header: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for line in header.lines() {
        let line = line.replace("/**", "/*").replace("// __cplusplus", "/* __cplusplus */");
        let is_end = line.trim() == "*/";
        if let [.., opening, text] = lines.as_slice()
            && is_end
            && opening.trim() == "/*"
            && let Some((indent, text)) = text.split_once(" * ")
            && text.len() + indent.len() + 6 <= 100
        {
            let joined = format!("{indent}/* {text} */");
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

fn is_definition_then_blank(lines: &[String]) -> bool {
    matches!(lines, [.., definition, blank] if definition.starts_with("#define") && blank.is_empty())
}
