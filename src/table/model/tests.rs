//! Random scripts, and the scripts that found something.

use super::machine::Setup;
use super::script::{Op, perform};
use proptest::prelude::*;

/// A script, decoded, so that a failure shows what it says.
fn script() -> impl Strategy<Value = (Setup, Vec<Op>)> {
    let setup = any::<[u8; Setup::SIZE]>().prop_map(Setup::decode);
    let op = any::<[u8; Op::SIZE]>().prop_map(Op::decode);
    (setup, prop::collection::vec(op, 1..80))
}

proptest! {
    #[test]
    fn the_table_is_what_the_machine_is_whatever_happens((setup, ops) in script()) {
        perform(setup, &ops).map_err(TestCaseError::fail)?;
    }
}
