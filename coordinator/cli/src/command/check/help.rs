//! Examples for people, one a method.

/// What `-h` shows.
pub(super) const SHORT: &str = "\
Examples, with the small Internet of `mpic up`:
  mpic check honest.example
  mpic check honest.example --caa --method http-01 \\
      --token honest-token --key-authorization honest-token.honest-thumbprint
  mpic check forbidden.example --json
  mpic check honest.example --wait-for checkpoint --receipt kept

`mpic check --help` has an example of every method.

Exit codes: 0 corroborated, 1 refused, 2 malformed job, 3 could not be decided or recorded.";

/// What `--help` shows.
pub(super) const LONG: &str = "\
Examples, which the small Internet of `mpic up` answers as they want it:

CAA alone, of a name, a wildcard, and a mailbox (issuemail):
  mpic check honest.example
  mpic check '*.methods.example'
  mpic check someone@methods.example
CAA bound to an account and a method (RFC 8657):
  mpic check bound.methods.example --caa-account-uri https://ca.example/acct/1 \\
      --caa-method-label dns-01

ACME:
  mpic check honest.example --caa --method dns-01 \\
      --key-authorization-hash 6rltRZA4FTPA2ozpaJCFbuqkwFpoW36oXKg0zSlNRxM
  mpic check honest.example --caa --method http-01 \\
      --token honest-token --key-authorization honest-token.honest-thumbprint
  mpic check honest.example --method tls-alpn-01 \\
      --key-authorization honest-token.honest-thumbprint
  mpic check methods.example --method dns-account-01 \\
      --key-authorization honest-token.honest-thumbprint \\
      --account-uri https://ca.example/acct/1
  mpic check methods.example --method dns-persistent --account-uri https://ca.example/acct/1
  mpic check '*.methods.example' --method dns-persistent \\
      --account-uri https://ca.example/acct/1
  mpic check 127.0.3.1 --method dns-persistent --account-uri https://ca.example/acct/1

A value in the DNS or in a file:
  mpic check methods.example --method dns-change --challenge a-random-value-of-32-characters
  mpic check www.methods.example --adn methods.example --method dns-change \\
      --challenge a-random-value-of-32-characters
  mpic check methods.example --method dns-change --record-type CNAME --prefix _dnsauth \\
      --challenge a-random-value.ca.example --match contains
  mpic check methods.example --method dns-change --record-type CAA --prefix _caa \\
      --challenge a-random-value-of-32-characters
  mpic check methods.example --method website-change --path file.txt \\
      --challenge a-random-value-of-32-characters --match-regex '^a-random'
  mpic check 127.0.3.1 --method website-change --path file.txt \\
      --challenge a-random-value-of-32-characters --header 'X-Request: 7'

Contacts:
  mpic check methods.example --method contact-email-txt --contact hostmaster@methods.example
  mpic check methods.example --method contact-phone-txt --contact +15551234567
  mpic check methods.example --method contact-email-caa --contact hostmaster@methods.example
  mpic check methods.example --method contact-phone-caa --contact '+1 (555) 123-4567'

Addresses and mail servers:
  mpic check 127.0.3.1 --method http-01 \\
      --token honest-token --key-authorization honest-token.honest-thumbprint
  mpic check 127.0.3.1 --method tls-alpn-01 --key-authorization honest-token.honest-thumbprint
  mpic check 127.0.3.1 --method reverse-address-lookup --expected-fqdn methods.example
  mpic check 1.3.0.127.in-addr.arpa --method reverse-address-lookup \\
      --expected-fqdn methods.example
  mpic check someone@methods.example --method smtp-host --expected-fqdn mail.methods.example
  mpic check someone@methods.example --caa --method dns-01 \\
      --key-authorization honest-token.honest-thumbprint

Ended by the Baseline Requirements, so refused here (docs/CHECKING.md):
  mpic check methods.example --method ip-address --address 127.0.3.1

Proof that it is in the log:
  mpic check honest.example --wait-for checkpoint --receipt kept

Anything else, however wrong:
  echo '{\"identifier\": {\"kind\": \"dns\", \"value\": \"a_b\"}}' | mpic check --raw-job -

Exit codes: 0 corroborated, 1 refused, 2 malformed job, 3 could not be decided or recorded.";

/// The examples, each as the words of a command line.
#[cfg(test)]
pub(super) fn examples() -> Vec<Vec<String>> {
    let joined = LONG.replace("\\\n", " ");
    let commands = joined.lines().map(str::trim).filter(|line| line.starts_with("mpic check "));
    commands.map(words).collect()
}

/// The words of a line with single quotes around some.
#[cfg(test)]
fn words(line: &str) -> Vec<String> {
    let quoted = line.split('\'').enumerate();
    quoted
        .flat_map(|(index, part)| match index % 2 {
            0 => part.split_whitespace().map(str::to_owned).collect(),
            _ => vec![part.to_owned()],
        })
        .collect()
}
