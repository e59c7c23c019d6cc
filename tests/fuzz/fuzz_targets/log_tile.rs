#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| (mpic_tests::foreign::entry("log_tile").run)(octets));
