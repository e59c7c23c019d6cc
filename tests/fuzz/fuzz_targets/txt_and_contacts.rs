#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| (mpic_tests::foreign::entry("txt_and_contacts").run)(octets));
