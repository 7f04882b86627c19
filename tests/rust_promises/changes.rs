#![cfg(feature = "table")]

use crate::support::{PATIENCE, needs_root};
use proc_connector::{Change, ChangeView, ProcessTable};
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::time::Instant;

/// The next change that `wanted` makes something of.
#[track_caller]
pub fn find<T>(table: &mut ProcessTable, wanted: impl Fn(&Change) -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let change = table.next(Some(left)).expect("a table").expect("the change did not come");
        if let Some(found) = wanted(&change) {
            return found;
        }
    }
}

#[test]
fn the_views_of_changes_show_how_a_process_starts_and_exits() {
    needs_root!();
    let mut table = ProcessTable::open().expect("a table");
    find(&mut table, |change| matches!(change.view(), ChangeView::Synced { .. }).then_some(()));
    let mut child = Command::new("sh").args(["-c", "kill -9 $$"]).spawn().expect("sh");
    let id = child.id() as i32;
    let status = child.wait().expect("a child");

    let parent = find(&mut table, |change| match change.view() {
        ChangeView::Started(process) if process.pid == id => Some(process.parent_pid),
        _ => None,
    });
    assert_eq!(parent, std::process::id() as i32);
    let (known, line) = find(&mut table, |change| match change.view() {
        ChangeView::Exited { process, status, from_leader } if process.pid == id => {
            Some((status.map(|status| (status, from_leader)), change.to_string()))
        }
        _ => None,
    });
    assert!(line.starts_with(&format!("exited pid={id} parent={parent} ")), "{line}");
    assert_eq!(known, Some((status, false)));
    assert_eq!(status.signal(), Some(libc::SIGKILL));
    assert!(line.contains(" killed=9 "), "{line}");
}
