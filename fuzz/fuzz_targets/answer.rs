#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mendpoint_fuzz::answer(data));
