//! The map in ARCHITECTURE.md is the code: each layer imports only the layers that the map allows,
//! and each file only the files that stand before it in its layer's row.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A row of the map.
struct Layer {
    imports: Vec<String>,
    files: Vec<String>,
}

/// The rows of the table whose first cells name a layer: | `layer` | imports | files |
fn map() -> BTreeMap<String, Layer> {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    let names = |cell: &str| -> Vec<String> {
        cell.split('`').skip(1).step_by(2).map(String::from).collect()
    };
    let rows = text.lines().filter_map(|line| {
        let cells: Vec<_> = line.trim().strip_prefix("| `")?.split('|').collect();
        let [layer, imports, files, ""] = cells.as_slice() else { return None };
        let layer = layer.split('`').next()?.to_string();
        Some((layer, Layer { imports: names(imports), files: names(files) }))
    });
    rows.collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every source file but lib.rs: its layer, its name in that layer, and its text without comments
/// and tests.
fn sources() -> Vec<(String, String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder") {
            let path: PathBuf = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root().join("src")).expect("below src");
                let name = name.with_extension("").to_str().expect("UTF-8").to_string();
                let (layer, file) = name.split_once('/').unwrap_or((&name, &name));
                let text = fs::read_to_string(&path).expect("a file");
                if layer != "lib" && !is_test(&path) {
                    found.push((layer.to_string(), file.to_string(), code(&text)));
                }
            }
        }
    }
    found
}

/// Whether a file is part of a module that exists in tests or fuzzing alone.
fn is_test(path: &Path) -> bool {
    let declares = |parent: PathBuf, name: &str| {
        let text = fs::read_to_string(parent).unwrap_or_default();
        ["test", "any(test, all(fuzzing, feature = \"std\"))"]
            .iter()
            .any(|when| text.contains(&format!("#[cfg({when})]\nmod {name};")))
    };
    let names = path.with_extension("");
    names.ancestors().any(|module| {
        let name = module.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        module.parent().is_some_and(|folder| {
            declares(folder.join("mod.rs"), name) || declares(folder.with_extension("rs"), name)
        })
    })
}

fn code(text: &str) -> String {
    let text = text.split("\n#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let lines = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    lines.collect::<Vec<_>>().join("\n")
}

/// The paths that begin with `start` (`crate::` or `super::`), those in braces one by one.
fn paths(code: &str, start: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices(start) {
        let rest = &code[at + start.len()..];
        let group = |rest: &str| {
            let mut depth = 0;
            rest.find(|c| {
                depth += i32::from(c == '{') - i32::from(c == '}');
                depth == 0
            })
        };
        if let Some(inner) = rest.strip_prefix('{') {
            let end = group(rest).map_or(inner.len(), |end| end - 1);
            let mut depth = 0;
            let split = |c| {
                depth += i32::from(c == '{') - i32::from(c == '}');
                depth == 0 && c == ','
            };
            found.extend(inner[..end].split(split).map(|path| path.trim().to_string()));
        } else {
            let is_end = |c: char| !(c.is_alphanumeric() || c == '_' || c == ':');
            let end = rest.find(is_end).unwrap_or(rest.len());
            let tail = rest[end..]
                .strip_prefix('{')
                .map_or("", |_| &rest[end..=end + group(&rest[end..]).unwrap_or(0)]);
            found.push(format!("{}{tail}", &rest[..end]));
        }
    }
    found.retain(|path| !path.is_empty());
    found
}

#[test]
fn each_layer_imports_only_the_layers_that_the_map_allows() {
    let map = map();
    let mut wrong = Vec::new();
    for (layer, file, code) in sources() {
        let Some(row) = map.get(&layer) else {
            wrong.push(format!("{layer}/{file} is in no row of ARCHITECTURE.md"));
            continue;
        };
        for path in paths(&code, "crate::") {
            let target = path.split("::").next().unwrap_or_default().to_string();
            if target != layer && map.contains_key(&target) && !row.imports.contains(&target) {
                wrong.push(format!("{layer}/{file} imports {path}"));
            }
        }
    }
    assert!(wrong.is_empty(), "against the map in ARCHITECTURE.md:\n{}", wrong.join("\n"));
}

#[test]
fn each_file_imports_only_the_files_that_stand_before_it_in_its_layer() {
    let map = map();
    let sources = sources();
    let mut wrong = Vec::new();
    for (layer, file, code) in &sources {
        let Some(row) = map.get(layer).filter(|_| layer != file) else { continue };
        let place = |file: &str| row.files.iter().position(|listed| listed == file);
        let Some(own) = place(file) else {
            wrong.push(format!("{layer}/{file} is not in the row of {layer}"));
            continue;
        };
        // mod.rs only declares and re-exports where it is listed first: then what a file takes
        // through it is looked up there.
        let (folder, _) = file.rsplit_once('/').unwrap_or(("", file));
        let sibling = |name: &str| match folder {
            "" => name.to_string(),
            folder => format!("{folder}/{name}"),
        };
        let through = format!("crate::{layer}::");
        let mut imported = paths(code, &through);
        if !file.ends_with("mod") {
            let up = paths(code, "super::");
            imported.extend(up.into_iter().filter(|path| !path.starts_with("super::")));
        }
        for path in imported {
            let first = path.split(['{', ':']).next().unwrap_or_default();
            let name = sibling(first);
            let target = match place(&name) {
                Some(target) => Some((target, name)),
                None => source_of(first, folder, layer, &sources)
                    .and_then(|name| place(&name).map(|target| (target, name))),
            };
            if let Some((_, name)) = target.filter(|(target, _)| *target > own) {
                wrong.push(format!("{layer}/{file} imports {path}, which is in {name}"));
            }
        }
    }
    assert!(wrong.is_empty(), "against the map in ARCHITECTURE.md:\n{}", wrong.join("\n"));
}

/// The file of a folder that defines an item which its mod.rs re-exports.
fn source_of(
    item: &str,
    folder: &str,
    layer: &str,
    sources: &[(String, String, String)],
) -> Option<String> {
    let defines = |code: &str| {
        let keywords = ["fn", "struct", "enum", "const", "trait", "type", "mod", "union"];
        keywords.iter().any(|keyword| {
            [' ', '(', '<', ':', ';', '{'].iter().any(|end| {
                code.lines().any(|line| {
                    let line = line.trim_start();
                    line.starts_with("pub") && line.contains(&format!("{keyword} {item}{end}"))
                })
            })
        })
    };
    sources
        .iter()
        .filter(|(of, file, _)| {
            of == layer && file.rsplit_once('/').map_or("", |(folder, _)| folder) == folder
        })
        .find(|(_, _, code)| defines(code))
        .map(|(_, file, _)| file.clone())
}
