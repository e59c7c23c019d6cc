#![no_main]

libfuzzer_sys::fuzz_target!(
    |octets: &[u8]| (mpic_tests::foreign::entry("gateway_request").run)(octets)
);
