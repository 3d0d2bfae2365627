//! The parse of a change neither panics nor takes long, whatever the bytes of its body are; what it accepts is what
//! it was given.
#![no_main]

use document::ForeignChange;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    if let Ok(change) = ForeignChange::parse(body) {
        assert_eq!(ForeignChange::body(&change.chunk), Ok(body));
    }
    let _refused = ForeignChange::body(body);
});
