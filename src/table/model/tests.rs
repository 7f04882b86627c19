//! Random scripts, and the smallest of those that once failed.

use super::machine::Setup;
use super::script::{Op, last_change, perform};
use super::step::{Birth, Delay, Step};
use crate::table::report::{change, field, remark};
use proptest::prelude::*;

/// A script, decoded, so that a failure shows what it says.
fn script() -> impl Strategy<Value = (Setup, Vec<Op>)> {
    let setup = any::<[u8; Setup::SIZE]>().prop_map(Setup::decode);
    let op = any::<[u8; Op::SIZE]>().prop_map(Op::decode);
    (setup, prop::collection::vec(op, 1..80))
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: ProptestConfig::default().cases.max(1000),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_table_is_what_the_machine_is_whatever_happens((setup, ops) in script()) {
        perform(setup, &ops).map_err(TestCaseError::fail)?;
    }

    #[test]
    fn a_table_of_a_family_reports_what_was_born_in_it_whatever_happens(
        (setup, ops) in script(), root in any::<u8>(), has_few_pids in any::<bool>()
    ) {
        let pids = if has_few_pids { setup.pids } else { 30 };
        perform(Setup { family: Some(root), pids, ..setup }, &ops).map_err(TestCaseError::fail)?;
    }
}

// ---- Scripts that once failed. `before` operations come before the table is opened. ----

const RUN: Op = Op::Run { work: 1000 };

const PLAIN: Setup = Setup {
    capacity: 1 << 20,
    shows_exit_status: true,
    is_confined: false,
    fields: field::ALL,
    pids: 8,
    slept_ns: 0,
    max_watches: 64,
    listed: 9,
    before: 0,
    family: None,
};

fn passes(setup: Setup, ops: &[Op]) {
    perform(setup, ops).unwrap_or_else(|why| panic!("{why}"));
}

const fn fork(who: u8, pid: u8) -> Op {
    Op::Do(Step::Fork { who, pid, birth: Birth::Plain, delay: Delay::No })
}

const fn late_fork(pid: u8, delay: Delay) -> Op {
    Op::Do(Step::Fork { who: 0, pid, birth: Birth::Plain, delay })
}

const fn kernel_thread(pid: u8) -> Op {
    Op::Do(Step::Fork { who: 0, pid, birth: Birth::KernelThread, delay: Delay::No })
}

const fn exec(who: u8) -> Op {
    Op::Do(Step::Exec { who, new_ids: false, delay: Delay::No })
}

const EXIT: Step = Step::Exit { who: 0, code: 256, is_ignored: false, delay: Delay::No };

const fn late_exit(delay: Delay) -> Op {
    Op::Do(Step::Exit { who: 0, code: 512, is_ignored: false, delay })
}

const REAP: Op = Op::Do(Step::Reap { who: 0 });

const fn leader_exit() -> Step {
    Step::LeaderExit { who: 0, code: 256, delay: Delay::No }
}

#[test]
fn what_could_not_be_watched_is_tried_again_although_no_descriptor_shows_it() {
    passes(
        PLAIN,
        &[
            fork(0, 0),
            Op::Pause,
            Op::Do(Step::Thread { who: 0, delay: Delay::No }),
            Op::Do(Step::ThreadExec { who: 0, delay: Delay::No }),
            Op::Do(Step::FailPidfds { count: 6 }),
            Op::Do(EXIT),
            RUN,
        ],
    );
}

#[test]
fn a_process_that_starts_after_a_sleep_just_before_its_fork_is_received_is_read() {
    let late = Step::Fork { who: 0, pid: 0, birth: Birth::Plain, delay: Delay::No };
    passes(
        PLAIN,
        &[Op::Pause, Op::Between(1, Step::Sleep { ns: 25_000_000 }), Op::Between(1, late), RUN],
    );
}

#[test]
fn a_process_that_is_found_between_two_leaders_has_its_parent_after_the_exec() {
    passes(
        PLAIN,
        &[
            fork(0, 0),
            Op::Do(Step::Thread { who: 1, delay: Delay::No }),
            Op::Do(Step::ThreadExec { who: 0, delay: Delay::No }),
            Op::Do(Step::ThreadExecGoesOn { who: 0, delay: Delay::No }),
            RUN,
        ],
    );
}

#[test]
fn a_program_that_starts_between_the_readings_of_its_command_and_of_the_process_is_known_by_its_exec()
 {
    let exec = Step::Exec { who: 1, new_ids: false, delay: Delay::No };
    for calls in 1..20 {
        passes(PLAIN, &[fork(0, 0), Op::Between(calls, exec), RUN, RUN, RUN]);
    }
}

#[test]
fn a_scan_reads_the_name_that_an_exec_has_left_unknown() {
    passes(
        Setup { capacity: 16, ..PLAIN },
        &[
            fork(0, 0),
            RUN,
            RUN,
            RUN,
            exec(1),
            Op::Between(2, Step::Flood { who: 0, count: 22 }),
            Op::Do(EXIT),
            RUN,
            REAP,
            RUN,
            fork(0, 0),
        ],
    );
}

#[test]
fn a_kernel_thread_is_not_taken_for_the_program_that_had_its_pid() {
    let exit = Step::Exit { who: 0, code: 256, is_ignored: true, delay: Delay::No };
    passes(PLAIN, &[fork(0, 0), RUN, Op::Do(exit), Op::Do(Step::Deafen), kernel_thread(0)]);
}

#[test]
fn a_process_whose_exit_is_known_before_its_fork_is_handled_begins_once() {
    passes(
        PLAIN,
        &[
            Op::Between(1, Step::Thread { who: 1, delay: Delay::No }),
            fork(0, 0),
            Op::Between(1, leader_exit()),
            Op::Run { work: 17 },
            Op::Between(2, Step::ThreadExit { who: 0, code: 0 }),
            RUN,
        ],
    );
}

#[test]
fn a_late_fork_is_that_of_the_living_process_that_was_found_however_long_the_machine_slept() {
    passes(
        PLAIN,
        &[late_fork(0, Delay::Unstamped), RUN, Op::Do(Step::Sleep { ns: 3_000_000_000 })],
    );
}

#[test]
fn an_exit_from_before_a_process_was_found_is_not_that_of_the_process() {
    passes(
        Setup { capacity: 6, shows_exit_status: false, before: 2, ..PLAIN },
        &[
            fork(0, 3),
            late_exit(Delay::Stamped),
            REAP,
            fork(0, 3),
            Op::Do(Step::GoOn { which: 0 }),
            Op::Do(Step::Flood { who: 0, count: 13 }),
            Op::Do(EXIT),
        ],
    );
}

#[test]
fn after_an_exit_of_a_later_owner_a_stale_exit_revives_no_hope_for_a_fork() {
    let ignored = Step::Exit { who: 0, code: 512, is_ignored: true, delay: Delay::Stamped };
    passes(
        PLAIN,
        &[
            fork(0, 1),
            Op::Do(ignored),
            fork(0, 1),
            RUN,
            Op::Do(EXIT),
            Op::Do(Step::SetGroup { who: 0, delay: Delay::No }),
            REAP,
            late_fork(1, Delay::Unstamped),
        ],
    );
}

#[test]
fn a_child_that_was_read_before_its_parent_exited_unseen_has_its_new_parent() {
    let parent_exits = Step::Exit { who: 1, code: 256, is_ignored: false, delay: Delay::No };
    passes(
        Setup { before: 1, ..PLAIN },
        &[fork(0, 1), fork(1, 0), Op::Run { work: 40 }, Op::Do(parent_exits)],
    );
}

#[test]
fn a_child_that_was_read_before_its_parents_pid_had_another_owner_has_its_new_parent() {
    let next_owner = Step::Fork { who: 0, pid: 1, birth: Birth::Plain, delay: Delay::No };
    passes(
        Setup { before: 5, ..PLAIN },
        &[
            fork(0, 0),
            fork(0, 2),
            Op::Do(Step::Thread { who: 2, delay: Delay::No }),
            fork(2, 0),
            Op::Do(leader_exit()),
            Op::Run { work: 17 },
            Op::Run { work: 17 },
            Op::Between(1, next_owner),
            Op::Do(Step::ThreadExit { who: 0, code: 256 }),
            REAP,
        ],
    );
}

#[test]
fn the_next_owner_of_a_pid_is_entered_when_a_pidfd_has_shown_the_exit_of_the_previous_one() {
    passes(
        PLAIN,
        &[
            fork(0, 1),
            Op::Do(Step::Thread { who: 1, delay: Delay::No }),
            Op::Do(leader_exit()),
            Op::Pause,
            Op::Do(EXIT),
            REAP,
            kernel_thread(1),
        ],
    );
}

#[test]
fn the_next_owner_of_a_pid_is_entered_although_the_list_of_a_scan_lacks_it() {
    passes(
        Setup { before: 1, ..PLAIN },
        &[
            fork(0, 1),
            Op::Pause,
            fork(0, 1),
            late_exit(Delay::Unstamped),
            RUN,
            REAP,
            Op::Rescan,
            Op::Run { work: 40 },
            fork(0, 0),
            kernel_thread(0),
            RUN,
            RUN,
        ],
    );
}

#[test]
fn the_next_owner_of_a_pid_has_the_children_that_were_read_before_it_was_entered() {
    passes(
        Setup { before: 1, ..PLAIN },
        &[
            fork(0, 0),
            RUN,
            late_exit(Delay::Unstamped),
            REAP,
            Op::Do(Step::Wait { ns: 12_000_000 }),
            fork(0, 0),
            fork(1, 0),
        ],
    );
}

#[test]
fn a_helper_that_was_a_zombie_when_its_exec_was_handled_is_no_kernel_thread() {
    let helper = Birth::Helper { is_kernel_thread: true };
    passes(
        PLAIN,
        &[
            RUN,
            RUN,
            RUN,
            Op::Do(Step::Fork { who: 0, pid: 5, birth: helper, delay: Delay::No }),
            Op::Between(3, EXIT),
            RUN,
            exec(1),
            Op::Do(Step::Deafen),
            Op::Between(3, Step::Reap { who: 0 }),
            late_fork(0, Delay::Stamped),
            RUN,
            RUN,
            kernel_thread(4),
        ],
    );
}

#[test]
fn a_process_that_runs_a_program_without_its_old_leader_exits_with_the_code_in_its_exit() {
    let exit = Step::Exit { who: 0, code: 0, is_ignored: false, delay: Delay::Stamped };
    let goes_on = Step::ThreadExecGoesOn { who: 0, delay: Delay::No };
    for (first, second) in (0..5).flat_map(|first| (0..5).map(move |second| (first, second))) {
        passes(
            Setup { shows_exit_status: false, ..PLAIN },
            &[
                fork(0, 0),
                RUN,
                Op::Do(Step::Thread { who: 1, delay: Delay::No }),
                Op::Do(leader_exit()),
                Op::Pause,
                Op::Do(Step::ThreadExec { who: 0, delay: Delay::No }),
                Op::Do(goes_on),
                Op::Between(first, goes_on),
                Op::Between(second, exit),
                RUN,
                RUN,
            ],
        );
    }
}

#[test]
fn a_process_whose_exec_is_handled_after_its_exit_has_its_own_code_if_the_pidfd_tells() {
    let last = last_change(
        PLAIN,
        &[
            RUN,
            RUN,
            Op::Pause,
            fork(0, 0),
            exec(1),
            Op::Do(Step::Thread { who: 1, delay: Delay::No }),
            Op::Do(leader_exit()),
            Op::Run { work: 1 },
            Op::Run { work: 1 },
            Op::Do(Step::ThreadExit { who: 0, code: 1280 }),
            REAP,
            RUN,
        ],
    )
    .expect("the table agrees with the machine");
    assert_eq!((last.kind, last.exit_code), (change::EXITED, 1280), "{last:?}");
    assert_eq!(last.flags & remark::LEADER_CODE, 0, "{last:?}");
}

#[test]
fn a_process_whose_parent_came_and_went_while_its_fork_was_late_has_its_new_parent() {
    let late_sibling = Step::Fork { who: 1, pid: 4, birth: Birth::Sibling, delay: Delay::Stamped };
    let reaped = Step::Exit { who: 0, code: 0, is_ignored: true, delay: Delay::No };
    passes(
        Setup { before: 1, listed: 1, ..PLAIN },
        &[
            fork(0, 2),
            Op::Run { work: 33 },
            fork(0, 0),
            fork(1, 0),
            Op::Do(late_sibling),
            RUN,
            RUN,
            RUN,
            RUN,
            RUN,
            RUN,
            RUN,
            RUN,
            Op::Do(reaped),
            RUN,
            RUN,
            RUN,
        ],
    );
}

#[test]
fn an_orphan_of_a_family_that_a_subreaper_adopted_during_a_loss_is_not_left_out() {
    let exits = Step::Exit { who: 2, code: 0, is_ignored: true, delay: Delay::No };
    passes(
        Setup { before: 3, family: Some(2), ..PLAIN },
        &[
            fork(0, 0),
            Op::Do(Step::BecomeSubreaper { who: 1 }),
            fork(1, 0),
            Op::Pause,
            Op::Do(Step::Deafen),
            fork(2, 0),
            fork(3, 0),
            Op::Do(exits),
        ],
    );
}

#[test]
fn a_child_of_a_family_whose_late_fork_names_the_pid_of_a_later_process_is_not_born_to_that() {
    let late_sibling = Step::Fork { who: 1, pid: 0, birth: Birth::Sibling, delay: Delay::Stamped };
    passes(
        Setup { family: Some(0), ..PLAIN },
        &[
            Op::Pause,
            fork(0, 0),
            fork(1, 0),
            Op::Do(late_sibling),
            Op::Do(EXIT),
            REAP,
            kernel_thread(0),
        ],
    );
}

#[test]
fn the_fork_of_the_next_owner_of_a_pid_is_not_that_of_a_leaderless_process_that_was_found() {
    passes(
        Setup { before: 2, ..PLAIN },
        &[
            fork(0, 0),
            Op::Do(Step::Thread { who: 1, delay: Delay::No }),
            Op::Do(leader_exit()),
            Op::Pause,
            Op::Do(Step::ThreadExit { who: 0, code: 0 }),
            REAP,
            Op::Do(Step::Wait { ns: 12_000_000 }),
            fork(0, 0),
            exec(1),
        ],
    );
}

#[test]
fn the_next_owner_of_a_pid_is_entered_although_its_exec_is_taken_for_that_of_the_previous_one() {
    let exec = Step::Exec { who: 1, new_ids: false, delay: Delay::No };
    let flood = Step::Flood { who: 0, count: 17 };
    for calls in 1..12 {
        let mut ops = vec![
            fork(0, 0),
            Op::Pause,
            Op::Do(Step::Deafen),
            late_exit(Delay::Stamped),
            REAP,
            Op::Do(Step::Wait { ns: 12_000_000 }),
            fork(0, 0),
            Op::Do(Step::Check),
            Op::Between(calls, Step::GoOn { which: 0 }),
            Op::Between(calls, flood),
            Op::Between(calls, exec),
        ];
        ops.extend([RUN; 25]);
        passes(Setup { before: 1, pids: 1, ..PLAIN }, &ops);
    }
}
